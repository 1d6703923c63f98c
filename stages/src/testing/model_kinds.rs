//! Every stage with every kind of model: the tiny pipelines that diffusers saved.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use mitune_diffusion::image::RgbImage;
use serde_json::json;

use crate::contract::{Dtype, Silent};
use crate::encode_images::EncodeImagesConfig;
use crate::finetune::FinetuneConfig;
use crate::generate::guidance_method::GuidanceMethod;
use crate::generate::one_prompt::{OnePrompt, RandomNumbers, SchedulerKind};
use crate::ingest::prompts::PromptsConfig;
use crate::merge_into_model::MergeIntoModelConfig;
use crate::policy_gradient::PolicyGradientConfig;
use crate::score::ScoreConfig;
use crate::score::given_pairs::{GivenPairs, PairScoring};
use crate::select::SelectConfig;
use crate::testing::trial::Trial;
use crate::testing::trial_tables::{Candidate, candidates};

const PROMPTS: [&str; 2] = ["a red circle", "a blue square"];

fn models() -> [PathBuf; 3] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diffusion/tests/golden/models");
    ["sd15", "sd21", "sdxl"].map(|name| folder.join(name))
}

/// Four candidates of two prompts, with latents of 4 x 8 x 8.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: PROMPTS[number as usize % 2].to_owned(),
        seed_index: number,
        mi: 0.0,
        latent: (0..256)
            .map(|i| ((i + 31 * number) as f32 * 0.37).sin())
            .collect(),
        png: None,
    };
    (0..4).map(candidate).collect()
}

fn plan(model: PathBuf, folder: &Path, dtype: Dtype) -> OnePrompt {
    OnePrompt {
        model,
        adapter: None,
        device: "cpu".parse().unwrap(),
        dtype,
        prompt: PROMPTS[0].to_owned(),
        negative: String::new(),
        count: 2,
        seed: 7,
        random_numbers: RandomNumbers::Torch,
        scheduler: Some(SchedulerKind::Ddim),
        steps: 2,
        guidance: 3.0,
        eta: 0.0,
        height: Some(16),
        width: Some(24),
        out: folder.join(dtype.name()),
    }
}

#[test]
fn one_prompt_becomes_images_in_every_type() {
    for model in models() {
        let folder = tempfile::tempdir().unwrap();
        let pixels = [Dtype::F32, Dtype::F16, Dtype::Bf16].map(|dtype| {
            let plan = plan(model.clone(), folder.path(), dtype);
            let generated = plan.generate(&Silent, &AtomicBool::new(false)).unwrap();
            assert!(generated.images.iter().all(|image| image.mi > 0.0));
            let png = fs::read(plan.out.join("0001.png")).unwrap();
            let image = RgbImage::from_png(&png).unwrap();
            assert_eq!((image.width(), image.height()), (24, 16));
            image.pixels().to_vec()
        });
        // Noise is drawn in f32 in every type, so that the images are alike but for rounding.
        let [exact, half, brain] = pixels;
        let mean = |other: &[u8]| {
            let apart = exact.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)));
            apart.sum::<f64>() / exact.len() as f64
        };
        let (half, brain) = (mean(&half), mean(&brain));
        assert!(half < 2.0 && brain < 8.0, "{}: {half} {brain}", model.display());
    }
}

#[test]
fn every_model_is_guided_by_every_method() {
    let methods = [
        json!({"kind": "attend_and_excite", "attention_ratio": 2, "refinements": 1}),
        json!({"kind": "structured"}),
        json!({"kind": "structured", "form": "conjunction"}),
        json!({"kind": "semantic_aware", "finest_ratio": 2, "coarsest_ratio": 2}),
    ];
    let methods = methods.map(|settings| serde_json::from_value::<GuidanceMethod>(settings).unwrap());
    for model in models() {
        for (dtype, method) in [Dtype::F32, Dtype::Bf16]
            .into_iter()
            .flat_map(|dtype| methods.iter().map(move |method| (dtype, method)))
        {
            let folder = tempfile::tempdir().unwrap();
            let plan = OnePrompt {
                random_numbers: RandomNumbers::Counter,
                ..plan(model.clone(), folder.path(), dtype)
            };
            let generated = plan
                .generate_by(method, &Silent, &AtomicBool::new(false))
                .unwrap();
            let place = model.display();
            assert!(
                generated.images.iter().all(|image| image.mi > 0.0),
                "{place} {method:?}"
            );
        }
    }
}

#[test]
fn given_images_are_encoded() {
    for model in models() {
        let mut trial = Trial::new();
        let name = model.display().to_string();
        trial.defaults.model = Some(model);
        let picture = RgbImage::new(40, 24, vec![99; 2_880]).unwrap().to_png().unwrap();
        trial.write("a.png", &picture);
        trial.write("t.csv", b"image,prompt\na.png,a red circle\n");
        let settings = json!({"source": {"table": "t.csv"}, "size": 16});
        let output = trial.run::<EncodeImagesConfig>(settings, &[]).unwrap();
        assert_eq!(output.outputs["latents"].rows, Some(1), "{name}");
    }
}

#[test]
fn given_images_are_scored() {
    for model in models() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = "image,prompt\n".to_owned();
        // Two sizes, which are told to the denoiser of XL.
        for (number, side) in [16_u32, 24].into_iter().enumerate() {
            let pixels = (0..side * side * 3).map(|i| (i * 97 % 251) as u8).collect();
            let png = RgbImage::new(side, side, pixels).unwrap().to_png().unwrap();
            fs::write(folder.path().join(format!("{number}.png")), png).unwrap();
            rows.push_str(&format!("{number}.png,a red circle\n"));
        }
        fs::write(folder.path().join("pairs.csv"), rows).unwrap();
        let plan = GivenPairs {
            model,
            adapter: None,
            device: "cpu".parse().unwrap(),
            dtype: Dtype::F32,
            scoring: PairScoring::default(),
            pairs: folder.path().join("pairs.csv"),
            out: folder.path().join("scores.parquet"),
        };
        let scored = plan.score(&Silent, &AtomicBool::new(false)).unwrap();
        assert!(
            scored
                .pairs
                .iter()
                .all(|pair| pair.scores.mi_forward > 0.0 && pair.scores.mi_signed.is_finite())
        );
    }
}

#[test]
fn candidates_are_scored_and_trained_on() {
    for model in models() {
        let mut trial = Trial::new();
        trial.defaults.model = Some(model);
        let table = candidates(&trial.store, &pool());
        let scored = trial
            .run::<ScoreConfig>(json!({"candidates": "generate"}), &[("candidates", &[&table])])
            .unwrap();
        let scores = trial
            .store
            .artifacts()
            .read_table_whole(&scored.outputs["scores"], None)
            .unwrap();
        let forward = scores["mi_forward"].as_primitive::<Float64Type>();
        assert!(forward.values().iter().all(|mi| *mi > 0.0));
        let selected = trial
            .run::<SelectConfig>(
                json!({"candidates": "generate", "top_k": 2}),
                &[("candidates", &[&table])],
            )
            .unwrap();
        let settings = json!({
            "selection": "select", "rank": 2, "alpha": 2.0, "batch_size": 2, "steps": 2,
            "learning_rate": 1e-2, "caption_dropout": 0.5,
        });
        let trained = trial
            .run::<FinetuneConfig>(settings, &[("selection", &[&selected.outputs["selection"]])])
            .unwrap();
        let losses = trial
            .store
            .artifacts()
            .read_table_whole(&trained.outputs["losses"], None)
            .unwrap();
        let losses = losses["loss"].as_primitive::<Float64Type>();
        assert!(losses.values().iter().all(|loss| loss.is_finite()) && losses.len() == 2);
        let adapter = &trained.outputs["adapter"];
        let merged = trial
            .run::<MergeIntoModelConfig>(json!({"adapter": "finetune"}), &[("adapter", &[adapter])])
            .unwrap();
        assert_eq!(merged.metrics["merged_layers"], trained.metrics["adapted_layers"]);
    }
}

#[test]
fn rewards_of_rollouts_are_learnt_from() {
    for model in models() {
        let mut trial = Trial::new();
        let scheduler = fs::read_to_string(model.join("scheduler/scheduler_config.json")).unwrap();
        let says_not_to_clip = scheduler.contains("\"clip_sample\": false");
        trial.defaults.model = Some(model);
        let prompts = trial
            .run::<PromptsConfig>(json!({"source": {"inline": PROMPTS}}), &[])
            .unwrap();
        for kind in ["dpok", "ddpo"] {
            let settings = json!({
                "prompts": "ingest", "judge": "brightness", "rank": 2, "iterations": 2,
                "objective": {"kind": kind, "batch_size": 2, "micro_batch": 2},
                "rollouts_per_iteration": 2, "sampler": {"steps": 2}, "height": 16, "width": 16,
            });
            let inputs: [(&'static str, &[&mitune_store::Artifact]); 1] =
                [("prompts", &[&prompts.outputs["prompts"]])];
            let trained = match trial.run::<PolicyGradientConfig>(settings, &inputs) {
                Ok(trained) => trained,
                // DDIM limits what is predicted where a file for another scheduler does not say that it should not.
                Err(error) if !says_not_to_clip => {
                    assert!(
                        error.to_string().contains("limits the predicted original"),
                        "{error}"
                    );
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let losses = trial
                .store
                .artifacts()
                .read_table_whole(&trained.outputs["losses"], None)
                .unwrap();
            for column in ["loss", "reward", "ratio", "kl"] {
                let values = losses[column].as_primitive::<Float64Type>();
                let finite = values.values().iter().all(|value| value.is_finite());
                assert!(finite && values.len() == 2, "{kind} {column}");
            }
        }
    }
}
