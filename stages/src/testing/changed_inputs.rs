//! What a stage reads outside the store may change after its keys are made: nothing is then published under them.

use std::path::{Path, PathBuf};

use mitune_diffusion::image::RgbImage;
use mitune_diffusion::nn::weights::{HostTensor, SafetensorsFile, TensorSource as _, write_safetensors};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use crate::contract::{Silent, StageConfig, StageError, StageOutput};
use crate::embed::EmbedConfig;
use crate::encode_images::EncodeImagesConfig;
use crate::evaluate::EvaluateConfig;
use crate::finetune::FinetuneConfig;
use crate::generate::GenerateConfig;
use crate::ingest::prompts::PromptsConfig;
use crate::merge_adapters::MergeAdaptersConfig;
use crate::merge_into_model::MergeIntoModelConfig;
use crate::policy_gradient::PolicyGradientConfig;
use crate::score::ScoreConfig;
use crate::select::SelectConfig;
use crate::stylise::StyliseConfig;
use crate::testing::trial::Trial;
use crate::testing::{trial_clip, trial_model};

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

/// A change of a model, by its folder.
type Change = fn(&Path);

/// Changes one number of a file of weights, in place as `cp` does; length and times may stay.
fn change_weights(path: &Path) {
    let modified = path.metadata().unwrap().modified().unwrap();
    let mut tensors = SafetensorsFile::open(path).unwrap().read_all().unwrap();
    let tensor = tensors.values_mut().next().unwrap();
    let mut values = tensor.to_f32().unwrap();
    values[0] += 0.5;
    *tensor = HostTensor::from_f32(&values, tensor.shape.clone());
    let draft = path.with_extension("draft");
    write_safetensors(&draft, &tensors, None).unwrap();
    std::fs::copy(&draft, path).unwrap();
    std::fs::remove_file(draft).unwrap();
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
}

fn change_setting(path: &Path, name: &str, value: Json) {
    let mut settings: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_ne!(settings[name], value, "{name}");
    settings[name] = value;
    std::fs::write(path, settings.to_string()).unwrap();
}

/// Every file of a model in which a change counts.
const CHANGES: [(&str, Change); 7] = [
    ("denoiser", |model| change_weights(&model.join(UNET))),
    ("autoencoder", |model| {
        change_weights(&model.join("vae/diffusion_pytorch_model.safetensors"));
    }),
    ("text encoder", |model| {
        change_weights(&model.join("text_encoder/model.safetensors"));
    }),
    ("settings of the autoencoder", |model| {
        change_setting(&model.join("vae/config.json"), "scaling_factor", json!(0.5));
    }),
    ("scheduler", |model| {
        let path = model.join("scheduler/scheduler_config.json");
        change_setting(&path, "beta_end", json!(0.02));
    }),
    ("tokenizer", |model| {
        let path = model.join("tokenizer/tokenizer_config.json");
        change_setting(&path, "model_max_length", json!(8));
    }),
    ("link", |model| {
        // Another model behind the same name, as when a link is turned.
        std::fs::rename(model, model.with_file_name("other")).unwrap();
        trial_model::write(model);
        change_weights(&model.join(UNET));
    }),
];

struct Place {
    trial: Trial,
    model: PathBuf,
}

impl Place {
    fn new() -> Self {
        let mut trial = Trial::new();
        let model = trial.folder.path().join("model");
        trial_model::write(&model);
        trial.defaults.model = Some(model.clone());
        Self { trial, model }
    }

    fn run<C: StageConfig>(
        &self,
        settings: Json,
        port: &'static str,
        input: &Artifact,
        output: &str,
    ) -> Artifact {
        let output_of = |outcome: StageOutput| outcome.outputs[output].clone();
        output_of(self.trial.run::<C>(settings, &[(port, &[input])]).unwrap())
    }

    fn prompts(&self) -> Artifact {
        let settings = json!({"source": {"inline": ["a red circle and a blue square"]}});
        self.trial.run::<PromptsConfig>(settings, &[]).unwrap().outputs["prompts"].clone()
    }

    /// Number of shards, checkpoints and records in the store.
    fn published(&self) -> usize {
        fn files(folder: &Path) -> usize {
            let Ok(entries) = std::fs::read_dir(folder) else {
                return 0;
            };
            let paths = entries.map(|entry| entry.unwrap().path());
            paths
                .map(|path| if path.is_dir() { files(&path) } else { 1 })
                .sum()
        }
        let store = self.trial.folder.path().join("store");
        ["shards", "checkpoints", "actions"]
            .map(|name| files(&store.join(name)))
            .iter()
            .sum()
    }

    /// Checks that a stage notices a change of the model, publishes nothing, and runs with the changed model.
    fn check<C: StageConfig>(
        &self,
        name: &str,
        settings: &Json,
        inputs: &[(&'static str, &Artifact)],
        change: Change,
    ) {
        let inputs: Vec<(&'static str, [&Artifact; 1])> =
            inputs.iter().map(|(port, one)| (*port, [*one])).collect();
        let inputs: Vec<(&'static str, &[&Artifact])> =
            inputs.iter().map(|(port, one)| (*port, one.as_slice())).collect();
        let before = self.published();
        let change = || change(&self.model);
        let error = self
            .trial
            .run_changed::<C>(settings.clone(), &inputs, &Silent, change)
            .unwrap_err();
        let found = matches!(&error, StageError::Changed { input } if input == "model");
        assert!(found, "{} {name}: {error:?}", C::KIND);
        assert_eq!(self.published(), before, "{} {name}", C::KIND);
        self.trial.run::<C>(settings.clone(), &inputs).unwrap();
    }
}

fn generate() -> Json {
    json!({"prompts": "p", "candidates_per_prompt": 1, "batch_size": 1, "sampler": {"steps": 1}, "images": true})
}

#[test]
fn a_change_of_any_part_of_the_model_is_noticed_before_a_candidate_is_published() {
    for (name, change) in CHANGES {
        let place = Place::new();
        let prompts = place.prompts();
        place.check::<GenerateConfig>(name, &generate(), &[("prompts", &prompts)], change);
    }
}

#[test]
fn every_stage_that_runs_a_model_notices_its_change() {
    let place = Place::new();
    let prompts = place.prompts();
    let mut without_images = generate();
    without_images["images"] = json!(false);
    let candidates = place.run::<GenerateConfig>(without_images, "prompts", &prompts, "candidates");
    let select = json!({"candidates": "c", "top_k": 1});
    let selection = place.run::<SelectConfig>(select, "candidates", &candidates, "selection");
    let mut score = json!({"candidates": "c", "timesteps": {"first": 500, "last": 500, "count": 1}});
    let finetune = json!({"selection": "s", "rank": 1, "batch_size": 1, "steps": 2, "checkpoint_every": 1});
    let adapter = place.run::<FinetuneConfig>(finetune.clone(), "selection", &selection, "adapter");
    let mut more = finetune;
    more["steps"] = json!(3);
    for (noises, (name, change)) in [(1, CHANGES[0]), (2, CHANGES[4])] {
        // Scores that the store holds already need no model.
        score["noises"] = json!(noises);
        place.check::<ScoreConfig>(name, &score, &[("candidates", &candidates)], change);
    }
    place.check::<FinetuneConfig>("text encoder", &more, &[("selection", &selection)], CHANGES[2].1);
    let evaluate = json!({"candidates": "c", "bootstrap": {"replicates": 10}});
    place.check::<EvaluateConfig>(
        "autoencoder",
        &evaluate,
        &[("candidates", &candidates)],
        CHANGES[1].1,
    );
    trial_clip::write(&place.trial.folder.path().join("clip"), 1);
    let embed = json!({"candidates": "c", "judge_model": "clip"});
    place.check::<EmbedConfig>(
        "autoencoder",
        &embed,
        &[("candidates", &candidates)],
        CHANGES[1].1,
    );
    let stylise = json!({"candidates": "c", "style": "palette"});
    place.check::<StyliseConfig>(
        "autoencoder",
        &stylise,
        &[("candidates", &candidates)],
        CHANGES[1].1,
    );
    let merge = json!({"adapters": ["a"]});
    place.check::<MergeAdaptersConfig>("denoiser", &merge, &[("adapters", &adapter)], CHANGES[0].1);
    let merge = json!({"adapter": "a"});
    place.check::<MergeIntoModelConfig>(
        "settings of the autoencoder",
        &merge,
        &[("adapter", &adapter)],
        CHANGES[3].1,
    );
    let policy_gradient = json!({
        "prompts": "p", "judge": "brightness", "objective": {"kind": "ddpo"}, "rank": 1, "iterations": 2,
        "rollouts_per_iteration": 1, "sampler": {"steps": 1}, "checkpoint_every": 1,
    });
    place.check::<PolicyGradientConfig>(
        "autoencoder",
        &policy_gradient,
        &[("prompts", &prompts)],
        CHANGES[1].1,
    );
}

#[test]
fn images_are_not_encoded_by_another_model_than_that_of_the_key() {
    let place = Place::new();
    let picture = RgbImage::new(8, 8, vec![7; 192]).unwrap().to_png().unwrap();
    place.trial.write("a.png", &picture);
    place.trial.write("t.csv", b"image,prompt\na.png,a red circle\n");
    let settings = json!({"source": {"table": "t.csv"}});
    place.check::<EncodeImagesConfig>("autoencoder", &settings, &[], CHANGES[1].1);
}

/// A candidate that is known is one of the model of the keys, whatever lies in the folder now.
#[test]
fn weights_are_not_read_where_the_store_holds_all_candidates() {
    let place = Place::new();
    let prompts = place.prompts();
    let mut more = generate();
    more["candidates_per_prompt"] = json!(2);
    place.run::<GenerateConfig>(more, "prompts", &prompts, "candidates");
    let before = place.published();
    let change = || change_weights(&place.model.join(UNET));
    let output = place
        .trial
        .run_changed::<GenerateConfig>(generate(), &[("prompts", &[&prompts])], &Silent, change)
        .unwrap();
    assert_eq!(output.outputs["candidates"].rows, Some(1));
    assert_eq!(place.published(), before);
}

#[test]
fn a_file_of_prompts_that_changed_is_not_read_under_its_former_key() {
    let trial = Trial::new();
    let settings = json!({"source": {"text": {"paths": ["one.txt", "two.txt"]}}});
    for file in ["one.txt", "two.txt"] {
        trial.write(file, b"a red car\n");
    }
    let change = || trial.write("two.txt", b"a tan car\n");
    let error = trial
        .run_changed::<PromptsConfig>(settings.clone(), &[], &Silent, change)
        .unwrap_err();
    assert!(
        matches!(&error, StageError::Changed { input } if input == "source 2"),
        "{error:?}"
    );
    trial.run::<PromptsConfig>(settings, &[]).unwrap();
}
