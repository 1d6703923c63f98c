//! `mitune generate --rng torch` against diffusers, from the folder of a model to PNG files.

use std::fs;
use std::path::Path;

use mitune_diffusion::image::RgbImage;
use mitune_diffusion::nn::weights::{SafetensorsFile, TensorSource};
use serde_json::Value;

use super::*;
use crate::contract::Silent;

/// The most that a value of a pixel may be off.
const PIXEL_TOLERANCE: u8 = 2;

#[test]
fn the_models_own_scheduler_makes_the_images_of_diffusers() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diffusion/tests/golden");
    let cases: Value =
        serde_json::from_str(&fs::read_to_string(golden.join("images/cases.json")).unwrap()).unwrap();
    let images = SafetensorsFile::open(&golden.join("images/images.safetensors"))
        .unwrap()
        .read_all()
        .unwrap();
    let own = [("sd15", "pndm"), ("sd21", "ddim"), ("sdxl", "euler")];
    let mut compared = 0;
    for (number, case) in cases["cases"].as_array().unwrap().iter().enumerate() {
        let pair = (
            case["model"].as_str().unwrap(),
            case["scheduler"].as_str().unwrap(),
        );
        if !own.contains(&pair) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let whole = |key: &str| case[key].as_u64().unwrap();
        let plan = OnePrompt {
            model: golden.join("models").join(pair.0),
            adapter: None,
            device: "cpu".parse().unwrap(),
            dtype: Dtype::F32,
            prompt: text("prompt"),
            negative: text("negative"),
            count: whole("count") as u32,
            seed: whole("seed"),
            random_numbers: RandomNumbers::Torch,
            scheduler: None,
            steps: whole("steps") as usize,
            guidance: case["guidance"].as_f64().unwrap(),
            eta: case["eta"].as_f64().unwrap(),
            height: Some(whole("height") as usize),
            width: Some(whole("width") as usize),
            out: folder.path().join("out"),
        };
        let generated = plan.generate(&Silent, &AtomicBool::new(false)).unwrap();
        assert_eq!(generated.scheduler.name(), pair.1);
        let expected = images[&format!("{number}.pixels")].to_f32().unwrap();
        let rows = expected.chunks(expected.len() / generated.images.len());
        for (image, expected) in generated.images.iter().zip(rows) {
            let png = fs::read(plan.out.join(&image.file)).unwrap();
            let found = RgbImage::from_png(&png).unwrap();
            assert_eq!(found.pixels().len(), expected.len());
            let mut pairs = found.pixels().iter().zip(expected);
            assert!(
                pairs.all(|(&found, &expected)| found.abs_diff(expected as u8) <= PIXEL_TOLERANCE),
                "{pair:?} {}",
                image.file
            );
            compared += 1;
        }
    }
    assert!(compared >= 18, "{compared}");
}
