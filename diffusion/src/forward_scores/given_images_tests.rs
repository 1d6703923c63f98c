//! Scores of given images against NumPy over the networks of diffusers.
//!
//! `tools/goldens/export_given_images.py` made the numbers, in `f64` after the networks, with the
//! noise of an independent BLAKE3.

use burn::tensor::{Device, FloatDType, Tensor};
use serde::Deserialize;

use super::*;
use crate::conditioning::ImageSize;
use crate::image::RgbImage;
use crate::model::ModelDirectory;
use crate::mutual_information::MiMode;
use crate::nn::weights::golden;
use crate::noise::text_key;

const SIZE: ImageSize = ImageSize {
    height: 16,
    width: 24,
};

#[derive(Deserialize)]
struct Golden {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    model: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    image: usize,
    prompt: String,
    mi_paper: f64,
    mi_reference: f64,
    mi_signed_paper: f64,
    itm: f64,
    itm_normalised: f64,
}

fn image(number: usize, device: &Device) -> Tensor<4> {
    let mut pixels = Vec::new();
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            for c in 0..3 {
                pixels.push(((x * 7 + y * 13 + c * 50 + x * y * (number + 1)) % 256) as u8);
            }
        }
    }
    let image = RgbImage::new(SIZE.width as u32, SIZE.height as u32, pixels).unwrap();
    image.to_tensor(device).unsqueeze_dim(0)
}

#[test]
fn given_images_score_as_in_an_independent_evaluation() {
    let device = Device::flex();
    let text = std::fs::read_to_string(golden::path("given_images.json")).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let mut worst: f64 = 0.0;
    for Model { model: name, rows } in golden.models {
        let model = ModelDirectory::open(&golden::path(&format!("models/{name}")))
            .unwrap()
            .load(&device, FloatDType::F32)
            .unwrap();
        let unconditional = model.encode_negative("", SIZE, &device).unwrap().conditioning;
        for row in rows {
            let (mean, _) = model.vae.encode(image(row.image, &device));
            let latent = mean.mul_scalar(model.vae_config.scaling_factor);
            let conditional = model.encode_prompts(&[&row.prompt], SIZE, &device).unwrap();
            let score = |mode: MiMode| {
                let spread = TimestepSpread {
                    first: 400,
                    last: 800,
                    count: 5,
                };
                let settings = ForwardScoreSettings {
                    timesteps: ForwardTimesteps::Spread(spread),
                    noises: 2,
                    estimator: mode.parts(),
                    ..ForwardScoreSettings::default()
                };
                let scorer = ForwardScorer::new(&model.scheduler_config, &settings).unwrap();
                let mut go_on = |_| ControlFlow::Continue(());
                scorer
                    .score(
                        model.denoiser(),
                        &latent,
                        &conditional.conditioning,
                        &unconditional,
                        &text_key(&row.prompt),
                        &mut go_on,
                    )
                    .unwrap()[0]
            };
            let (paper, reference) = (score(MiMode::Paper), score(MiMode::Reference));
            // The golden values are plain means; a range is weighted to what it covers.
            let mean = |covered: f64| covered / 0.401;
            for (found, expected, size) in [
                (mean(paper.mi_forward), row.mi_paper, row.mi_paper),
                (mean(reference.mi_forward), row.mi_reference, row.mi_reference),
                // Differences of large sums are judged by the size of what is subtracted.
                (
                    mean(paper.mi_signed),
                    row.mi_signed_paper,
                    row.mi_signed_paper.abs() + row.mi_paper,
                ),
                (paper.itm, row.itm, row.itm),
                (paper.itm_normalised, row.itm_normalised, row.itm),
            ] {
                let error = ((found - expected) / size).abs();
                worst = worst.max(error);
                // Measured: 3e-6.
                assert!(error < 1e-5, "{name} {:?}: {found} {expected}", row.prompt);
            }
        }
    }
    println!("scores of given images: largest relative error {worst:.1e}");
}
