use std::fs;
use std::path::Path;
use std::sync::Mutex;

use burn::tensor::{DType, Tensor, TensorData};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::torch_noise::TorchNoise;

use super::*;
use crate::contract::Silent;
use crate::tables::columns::{f32_list, list_column};
use crate::testing::trial_model;

fn plan(folder: &Path) -> OnePrompt {
    let model = folder.join("model");
    if !model.exists() {
        trial_model::write(&model);
    }
    OnePrompt {
        model,
        adapter: None,
        device: "cpu".parse().unwrap(),
        dtype: Dtype::F32,
        prompt: "a red circle".to_owned(),
        negative: String::new(),
        count: 3,
        seed: 7,
        random_numbers: RandomNumbers::Counter,
        scheduler: Some(SchedulerKind::Ddim),
        steps: 2,
        guidance: 3.0,
        eta: 0.0,
        height: None,
        width: None,
        out: folder.join("out"),
    }
}

fn run(plan: &OnePrompt) -> Result<Generated, StageError> {
    plan.generate(&Silent, &AtomicBool::new(false))
}

fn latents(folder: &Path) -> Vec<Vec<f32>> {
    let file = fs::File::open(folder.join(TABLE)).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).unwrap();
    let mut latents = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = list_column(&batch, "latent").unwrap();
        latents.extend((0..batch.num_rows()).map(|row| f32_list(column, "latent", row).unwrap()));
    }
    latents
}

#[test]
fn torch_noise_is_one_draw_for_all_images_and_diffuses_as_the_formula_says() {
    let folder = tempfile::tempdir().unwrap();
    let torch = OnePrompt {
        random_numbers: RandomNumbers::Torch,
        out: folder.path().join("torch"),
        ..plan(folder.path())
    };
    run(&torch).unwrap();
    // The loop by hand: one generator, one draw of three latents, two DDIM steps without noise.
    let loaded = LoadedModel::load(&torch.model, None, torch.device, torch.dtype).unwrap();
    let model = &loaded.model;
    let mut start = vec![0.0; 3 * 4 * 8 * 8];
    TorchNoise::new(7).normal(&mut start);
    let contexts = model
        .encode_prompts(&["a red circle", ""], model.image_size([4, 8, 8]), &loaded.device)
        .unwrap()
        .conditioning;
    let schedule = model.scheduler_config.schedule().unwrap();
    let timesteps = model.scheduler_config.timesteps(2).unwrap();
    let mut x = Tensor::<4>::from_data(TensorData::new(start, [3, 4, 8, 8]), (&loaded.device, DType::F32));
    for (step, &t) in timesteps.iter().enumerate() {
        use mitune_diffusion::denoiser::{Denoiser, NoiseLevel};
        let level = NoiseLevel::variance_preserving(t as f64, schedule.alpha_cumprod(t).unwrap());
        let predict = |row| {
            let context = contexts.clone().narrow(row, 1).repeat(3);
            model.network.predict(&x, level, &context).unwrap()
        };
        let (conditional, unconditional) = (predict(0), predict(1));
        let epsilon = unconditional.clone() + (conditional - unconditional) * 3.0;
        let now = schedule.alpha_cumprod(t).unwrap();
        // The model's file says that the last step ends at timestep 0 rather than at clean data.
        let next = timesteps.get(step + 1).copied().unwrap_or(0);
        let next = schedule.alpha_cumprod(next).unwrap();
        let original = (x - epsilon.clone() * (1.0 - now).sqrt()) / now.sqrt();
        x = original * next.sqrt() + epsilon * (1.0 - next).sqrt();
    }
    let expected: Vec<f32> = x.try_into_vec_as().unwrap();
    let found = latents(&torch.out).concat();
    assert_eq!(found.len(), expected.len());
    let error = found
        .iter()
        .zip(&expected)
        .map(|(a, b)| (a - b).abs() / (1.0 + b.abs()))
        .fold(0.0, f32::max);
    assert!(error < 1e-4, "{error}");
}

#[test]
fn counter_noise_does_not_depend_on_how_many_images_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let three = plan(folder.path());
    let generated = run(&three).unwrap();
    let files: Vec<&str> = generated.images.iter().map(|image| image.file.as_str()).collect();
    assert_eq!(files, ["0000.png", "0001.png", "0002.png"]);
    let one = OnePrompt {
        count: 1,
        out: folder.path().join("one"),
        ..three.clone()
    };
    let alone = run(&one).unwrap();
    let (a, b) = (alone.images[0].mi, generated.images[0].mi);
    assert!(a.is_finite() && (a - b).abs() <= 1e-4 * b.abs(), "{a} {b}");
    let (alone, together) = (latents(&one.out), latents(&three.out));
    let close = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + b.abs()))
    };
    assert!(close(&alone[0], &together[0]));
    assert!(!close(&together[0], &together[1]));
}

#[test]
fn files_that_are_there_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    fs::create_dir(&plan.out).unwrap();
    let kept = plan.out.join("0002.png");
    fs::write(&kept, b"mine").unwrap();
    let error = run(&plan).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)));
    let text = format!("`{}` is there already and is not overwritten", kept.display());
    assert_eq!(error.to_string(), text);
    assert_eq!(fs::read_dir(&plan.out).unwrap().count(), 1);
    assert_eq!(fs::read(&kept).unwrap(), b"mine");
}

#[test]
fn a_stop_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let stopped = plan.generate(&Silent, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(StageError::Interrupted)));
    assert!(!plan.out.exists());
}

#[test]
fn the_scheduler_is_the_models_where_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let config = ModelDirectory::open(&plan(folder.path()).model)
        .unwrap()
        .scheduler_config()
        .clone();
    let of = |class: &str| {
        let class_name = class.to_owned();
        scheduler_of(
            &SchedulerConfig {
                class_name,
                ..config.clone()
            },
            &Silent,
        )
    };
    assert_eq!(of("DDIMScheduler"), SchedulerKind::Ddim);
    assert_eq!(of("DDPMScheduler"), SchedulerKind::Ddpm);
    assert_eq!(of("PNDMScheduler"), SchedulerKind::Pndm);
    assert_eq!(of("EulerDiscreteScheduler"), SchedulerKind::Euler);
    assert_eq!(of("UniPCMultistepScheduler"), SchedulerKind::Ddpm);
}

/// Keeps what is said.
#[derive(Default)]
struct Listening(Mutex<Vec<String>>);

impl Progress for Listening {
    fn begin(&self, _: crate::contract::Work) {}
    fn advance(&self, _: u64) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
    fn message(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

fn metadata(folder: &Path) -> std::collections::BTreeMap<String, String> {
    let file = fs::File::open(folder.join(TABLE)).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let footer = reader.metadata().file_metadata().key_value_metadata().cloned();
    let schema = reader.schema();
    let entries = schema.metadata();
    for entry in footer.unwrap() {
        if let (true, Some(value)) = (entry.key.starts_with("mitune."), entry.value) {
            assert_eq!(entries.get(&entry.key), Some(&value));
        }
    }
    let own = entries.iter().filter(|(key, _)| key.starts_with("mitune."));
    own.map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// Scores along another scheduler than that of pipelines are told apart, on the way and in the table.
#[test]
fn the_scheduler_of_the_scores_is_said_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    for (scheduler, foreign) in [(SchedulerKind::Ddim, true), (SchedulerKind::Ddpm, false)] {
        let plan = OnePrompt {
            scheduler: Some(scheduler),
            out: folder.path().join(scheduler.name()),
            count: 1,
            ..plan(folder.path())
        };
        let listening = Listening::default();
        plan.generate(&listening, &AtomicBool::new(false)).unwrap();
        let said = listening.0.into_inner().unwrap();
        let found = said
            .iter()
            .find(|text| text.contains(&format!("`{}`", scheduler.name())))
            .unwrap();
        assert_eq!(found.contains("not comparable"), foreign, "{found}");
        let metadata = metadata(&plan.out);
        assert_eq!(metadata["mitune.scheduler"], scheduler.name());
        assert_eq!(
            (
                metadata["mitune.steps"].as_str(),
                metadata["mitune.guidance"].as_str()
            ),
            ("2", "3")
        );
    }
}

/// A negative prompt changes the images, and the score of what is generated still compares with the empty prompt; where
/// nothing is guided it changes nothing.
#[test]
fn a_negative_prompt_has_a_part_in_images_and_none_in_the_score() {
    let folder = tempfile::tempdir().unwrap();
    let scores = |name: &str, negative: &str, guidance: f64| {
        let plan = OnePrompt {
            negative: negative.to_owned(),
            guidance,
            out: folder.path().join(name),
            ..plan(folder.path())
        };
        let generated = run(&plan).unwrap();
        (latents(&plan.out), generated.images[0].mi, trace(&plan.out))
    };
    let plain = scores("plain", "", 3.0);
    let negative = scores("negative", "a blue square", 3.0);
    assert_ne!(negative.0, plain.0);
    // Before anything is guided the terms are the same.
    assert!(
        (negative.2[0] / plain.2[0] - 1.0).abs() < 1e-5,
        "{negative:?} {plain:?}"
    );
    let unguided = scores("unguided", "", 1.0);
    let ignored = scores("ignored", "a blue square", 1.0);
    assert_eq!((unguided.0, unguided.1), (ignored.0, ignored.1));
}

/// The terms of the first image.
fn trace(folder: &Path) -> Vec<f32> {
    let file = fs::File::open(folder.join(TABLE)).unwrap();
    let mut reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).unwrap();
    let batch = reader.next().unwrap().unwrap();
    f32_list(list_column(&batch, "mi_trace").unwrap(), "mi_trace", 0).unwrap()
}

#[test]
fn methods_of_guidance_make_images_of_their_own_and_are_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let plain = OnePrompt {
        prompt: "a red circle and a blue square".to_owned(),
        ..plan(folder.path())
    };
    run(&plain).unwrap();
    assert!(!metadata(&plain.out).contains_key("mitune.guidance_method"));
    for method in [
        serde_json::json!({"kind": "attend_and_excite", "attention_ratio": 2}),
        serde_json::json!({"kind": "structured"}),
        serde_json::json!({"kind": "semantic_aware", "finest_ratio": 1, "coarsest_ratio": 2}),
    ] {
        let method: GuidanceMethod = serde_json::from_value(method).unwrap();
        let plan = OnePrompt {
            out: folder.path().join(method.name()),
            ..plain.clone()
        };
        plan.generate_by(&method, &Silent, &AtomicBool::new(false))
            .unwrap();
        assert_ne!(latents(&plan.out), latents(&plain.out), "{method:?}");
        assert_eq!(metadata(&plan.out)["mitune.guidance_method"], method.name());
    }
}

#[test]
fn a_prompt_without_nouns_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let plan = OnePrompt {
        prompt: "blue".to_owned(),
        count: 1,
        ..plan(folder.path())
    };
    let listening = Listening::default();
    let method = GuidanceMethod::AttendAndExcite(Default::default());
    plan.generate_by(&method, &listening, &AtomicBool::new(false))
        .unwrap();
    let said = listening.0.into_inner().unwrap();
    assert!(said.iter().any(|text| text.contains("has no nouns")), "{said:?}");
}

#[test]
fn noise_of_pytorch_goes_with_plain_steps_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = OnePrompt {
        random_numbers: RandomNumbers::Torch,
        ..plan(folder.path())
    };
    let generate = |kind: &str| {
        let method: GuidanceMethod = serde_json::from_value(serde_json::json!({"kind": kind})).unwrap();
        plan.generate_by(&method, &Silent, &AtomicBool::new(false))
    };
    for kind in ["attend_and_excite", "semantic_aware"] {
        let error = generate(kind).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)));
        assert!(error.to_string().contains("--rng torch"), "{error}");
    }
    generate("structured").unwrap();
}
