use std::fs;
use std::path::Path;

use burn::tensor::{DType, Tensor, TensorData};
use mitune_diffusion::denoiser::{Denoiser, NoiseLevel};
use mitune_diffusion::mutual_information::MiWeight;
use mitune_diffusion::noise::NoiseSource;
use mitune_diffusion::noise::bank_key;

use super::*;
use crate::contract::Silent;
use crate::score::scored_timesteps::{NoiseNaming, ScoredTimesteps};
use crate::testing::trial_model;

const PROMPT: &str = "a blue square";

fn image(side: u32, phase: u32) -> RgbImage {
    let pixels = (0..side * side * 3)
        .map(|i| ((i + phase) * 97 % 251) as u8)
        .collect();
    RgbImage::new(side, side, pixels).unwrap()
}

/// Writes images `0.png`, ... of 32 x 32 pixels and a file that pairs them with prompts.
fn plan(folder: &Path, prompts: &[&str]) -> GivenPairs {
    let model = folder.join("model");
    trial_model::write(&model);
    let mut rows = "image,prompt\n".to_owned();
    for (number, prompt) in prompts.iter().enumerate() {
        let png = image(32, number as u32).to_png().unwrap();
        fs::write(folder.join(format!("{number}.png")), png).unwrap();
        rows.push_str(&format!("{number}.png,{prompt}\n"));
    }
    fs::write(folder.join("pairs.csv"), rows).unwrap();
    GivenPairs {
        model,
        adapter: None,
        device: "cpu".parse().unwrap(),
        dtype: Dtype::F32,
        scoring: PairScoring::default(),
        pairs: folder.join("pairs.csv"),
        out: folder.join("scores.parquet"),
    }
}

fn run(plan: &GivenPairs) -> Result<Scored, StageError> {
    plan.score(&Silent, &AtomicBool::new(false))
}

#[test]
fn scores_are_those_of_the_formula() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[PROMPT]);
    let scored = run(&plan).unwrap();
    assert_eq!(plan.scoring.mi_column(), "mi");
    let loaded = LoadedModel::load(&plan.model, None, plan.device, Dtype::F32).unwrap();
    let model = &loaded.model;
    let size = model.image_size([4, 8, 8]);
    let contexts = model
        .encode_prompts(&[PROMPT, ""], size, &loaded.device)
        .unwrap()
        .conditioning;
    let (mean, _) = model
        .vae
        .encode(image(32, 0).to_tensor(&loaded.device).unsqueeze::<4>());
    let latent = mean * 0.18215;
    let schedule = model.scheduler_config.schedule().unwrap();
    let (mut mi, mut itm, mut count) = (0.0, 0.0, 0.0);
    // The timesteps of a generation, one noise at each from the bank.
    for t in model.scheduler_config.timesteps(50).unwrap() {
        {
            let mut noise = vec![0.0; 256];
            NoiseSource::forward().normal(42, &bank_key(), 0, t as u32, &mut noise);
            let data = TensorData::new(noise, [1, 4, 8, 8]);
            let noise = Tensor::<4>::from_data(data, (&loaded.device, DType::F32));
            let alpha = schedule.alpha_cumprod(t).unwrap();
            let noisy = latent.clone() * alpha.sqrt() + noise.clone() * (1.0 - alpha).sqrt();
            let predict = |row| {
                model
                    .network
                    .predict(
                        &noisy,
                        NoiseLevel::variance_preserving(t as f64, alpha),
                        &contexts.clone().narrow(row, 1),
                    )
                    .unwrap()
            };
            let squares = |tensor: Tensor<4>| {
                let values: Vec<f32> = tensor.try_into_vec_as().unwrap();
                values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()
            };
            let (conditional, unconditional) = (predict(0), predict(1));
            let kappa = MiWeight::Kappa.at(&schedule, t).unwrap();
            mi += kappa * squares(conditional.clone() - unconditional);
            itm -= squares(noise - conditional).sqrt();
            count += 1.0;
        }
    }
    let pair = &scored.pairs[0].scores;
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-3 * expected.abs();
    assert!(
        near(pair.mi_forward, mi / count),
        "{} {}",
        pair.mi_forward,
        mi / count
    );
    assert!(near(pair.itm, itm / count), "{} {}", pair.itm, itm / count);
    assert!(pair.mi_forward > 0.0 && pair.itm < 0.0);
}

#[test]
fn rows_keep_their_order_whatever_is_batched() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[PROMPT, PROMPT, "", PROMPT]);
    let scored = run(&plan).unwrap();
    let images: Vec<_> = scored
        .pairs
        .iter()
        .map(|pair| pair.image.as_deref().unwrap())
        .collect();
    assert_eq!(images, ["0.png", "1.png", "2.png", "3.png"]);
    // The empty prompt says nothing about any image.
    assert_eq!(scored.pairs[2].prompt, "");
    let empty = &scored.pairs[2].scores;
    assert!(empty.mi_forward.abs() < 1e-6 && empty.mi_signed.abs() < 1e-3);
    let file = fs::File::open(&plan.out).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let metadata = builder.schema().metadata().clone();
    let mut reader = builder.build().unwrap();
    let table = reader.next().unwrap().unwrap();
    let names: Vec<String> = table
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(
        names,
        [
            "image",
            "prompt",
            "mi",
            "mi_signed",
            "itm",
            "itm_normalised",
            "itm_squared",
            "itm_squared_normalised"
        ]
    );
    let said = |key: &str| metadata.get(&format!("mitune.{key}")).unwrap().clone();
    assert_eq!(
        ["noise", "mode", "posterior", "seed"].map(said),
        ["bank", "paper", "mean", "42"]
    );
    assert_eq!(table.num_rows(), 4);
}

#[test]
fn what_is_wrong_with_an_image_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[PROMPT, PROMPT]);
    let place = folder.path().join("1.png");
    let message = || {
        let error = run(&plan).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        assert!(!plan.out.exists());
        error.to_string()
    };
    let name = format!("Image `1.png` (row 2 of `{}`)", plan.pairs.display());
    fs::write(&place, image(20, 0).to_png().unwrap()).unwrap();
    assert_eq!(
        message(),
        format!(
            "{name} has 20 x 20 pixels, expected a width and a height that are multiples of 8; the model was made \
             for 32 x 32"
        )
    );
    fs::write(&place, b"GIF89a").unwrap();
    assert_eq!(message(), format!("{name} cannot be read"));
    // Some more than 4096 x 4096.
    let large = RgbImage::new(4104, 4096, vec![0; 4104 * 4096 * 3]).unwrap();
    fs::write(&place, large.to_png().unwrap()).unwrap();
    assert_eq!(message(), format!("{name} cannot be read"));
    fs::remove_file(&place).unwrap();
    assert!(message().contains("1.png"));
    fs::write(&plan.pairs, "image,prompt\n").unwrap();
    assert_eq!(
        message(),
        format!("There are no pairs in `{}`", plan.pairs.display())
    );
}

#[test]
fn the_pairs_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[PROMPT]);
    let same = GivenPairs {
        out: folder.path().join("./pairs.csv"),
        ..plan
    };
    assert!(
        run(&same)
            .unwrap_err()
            .to_string()
            .starts_with("The scores would overwrite")
    );
    assert!(
        fs::read_to_string(&same.pairs)
            .unwrap()
            .starts_with("image,prompt")
    );
}

/// A caption is judged under the noise that the other caption met, so that swapping rows swaps scores; with noise of its
/// own prompt it is not.
#[test]
fn captions_of_one_image_meet_one_bank_of_noise() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path(), &[PROMPT, "a red circle"]);
    // Both captions stand beside the same image.
    let csv = format!("image,prompt\n0.png,{PROMPT}\n0.png,a red circle\n0.png,\n");
    fs::write(&plan.pairs, csv).unwrap();
    plan.scoring.timesteps.count = 4;
    let norms = |plan: &GivenPairs| -> Vec<f64> {
        let scored = run(plan).unwrap();
        let unconditional = |pair: &ScoredPair| pair.scores.itm - pair.scores.itm_normalised;
        scored.pairs.iter().map(unconditional).collect()
    };
    // What the denoiser says without a prompt tells which noise it met.
    let bank = norms(&plan);
    assert!(
        bank.iter().all(|norm| (norm / bank[0] - 1.0).abs() < 1e-6),
        "{bank:?}"
    );
    plan.scoring.noise = NoiseNaming::Prompt;
    let own = norms(&plan);
    assert!((own[1] / own[0] - 1.0).abs() > 1e-5, "{own:?}");
    plan.scoring.noise = NoiseNaming::Bank;
    plan.scoring.seed = 43;
    assert!((norms(&plan)[0] / bank[0] - 1.0).abs() > 1e-5);
}

#[test]
fn a_range_is_not_called_by_the_name_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path(), &[PROMPT]);
    plan.scoring.timesteps = ScoredTimesteps {
        first: Some(400),
        last: Some(800),
        count: 3,
    };
    let middle = run(&plan).unwrap().pairs[0].scores;
    let file = fs::File::open(&plan.out).unwrap();
    let mut reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).unwrap();
    let table = reader.next().unwrap().unwrap();
    assert!(table.column_by_name("mi").is_none() && table.column_by_name("mi_forward").is_some());
    plan.scoring.timesteps.last = Some(399);
    assert!(matches!(run(&plan), Err(StageError::Configuration(_))));
    plan.scoring.timesteps.last = Some(1000);
    assert!(matches!(run(&plan), Err(StageError::Configuration(_))));
    // A drawn latent is another one.
    plan.scoring.timesteps.last = Some(800);
    plan.scoring.posterior = Posterior::Sample;
    let drawn = run(&plan).unwrap().pairs[0].scores;
    assert_ne!(drawn, middle);
    plan.scoring.posterior = Posterior::Mean;
    plan.scoring.mode = MiMode::Reference;
    let reference = run(&plan).unwrap().pairs[0].scores;
    assert!(reference.mi_forward < middle.mi_forward && reference.itm == middle.itm);
}
