//! Every recipe against its reference: files of every mode, and sizes from one pixel to lines of a thousand.

use std::fs;
use std::path::Path;
use std::time::Instant;

use mitune_diffusion::image_decoding::{DecodedImage, Samples, Transparency};
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// The most that numbers may be off where the reference does not round to 8 bits: less than a millionth of a colour,
/// which a deviation of a quarter has made larger.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    picture: String,
    recipe: String,
    given: Value,
    fails: Option<String>,
    #[serde(default)]
    height: usize,
    #[serde(default)]
    width: usize,
    #[serde(default)]
    values: Vec<f64>,
    checksum: Option<u32>,
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The picture that the exporter makes of the same formula.
fn formula(mode: &str, width: usize, height: usize) -> Picture {
    let channels = mode.len();
    let mut bytes = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        for x in 0..width {
            bytes.extend((0..channels).map(|c| ((x * 7 + y * 13 + c * 50 + x * y * (c + 1)) % 256) as u8));
        }
    }
    let samples = match channels {
        3 => Samples::Rgb(bytes),
        _ => Samples::Rgba(bytes),
    };
    Picture::from(DecodedImage::new(width as u32, height as u32, samples, Transparency::None).unwrap())
}

fn picture(name: &str) -> Picture {
    let words: Vec<&str> = name.split(' ').collect();
    match words[..] {
        [mode, width, height] => formula(mode, width.parse().unwrap(), height.parse().unwrap()),
        _ => {
            let path = here("../diffusion/tests/golden/image_files").join(name);
            Picture::decode(&fs::read(path).unwrap()).unwrap()
        }
    }
}

fn recipe(name: &str, given: &Value) -> Preprocessing {
    let side = || given.as_u64().unwrap() as usize;
    let settings = || serde_json::from_value::<ClipImageSettings>(given.clone()).unwrap();
    match name {
        "open_ai_clip" => Preprocessing::open_ai_clip(side()),
        "transformers_pillow" => Preprocessing::transformers_clip(settings()),
        "transformers_torchvision" => {
            Preprocessing::transformers_clip(settings().with_backend(ImageBackend::Torchvision))
        }
        "hps" => Preprocessing::hps(side(), false),
        "hps_antialias" => Preprocessing::hps(side(), true),
        "blip" => Preprocessing::blip(side()),
        "dgm_eval" => Preprocessing::dgm_eval(side()),
        "cmmd" => Preprocessing::cmmd(side()),
        "clean_fid" => Preprocessing::clean_fid(),
        other => panic!("{other}"),
    }
}

/// The bytes that were normalised.
fn bytes(values: &[f32], moments: &normalisation::Moments) -> Vec<u8> {
    let byte = |(index, value): (usize, &f32)| {
        let channel = index % 3;
        ((f64::from(*value) * moments.std[channel] + moments.mean[channel]) * 255.0).round() as u8
    };
    values.iter().enumerate().map(byte).collect()
}

fn adler(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    (high << 16) | low
}

#[test]
fn every_recipe_gives_what_its_reference_gives() {
    let golden = fs::read(here("tests/golden/preprocessing.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    assert!(golden.cases.len() > 300);
    let mut wrong = Vec::new();
    for case in golden.cases {
        let label = format!("{} {} {}", case.picture, case.recipe, case.given);
        let found = recipe(&case.recipe, &case.given).apply(&picture(&case.picture));
        let found = match (found, &case.fails) {
            (Ok(found), None) => found,
            (Err(PreprocessingError::TooThin { .. }), Some(_)) => continue,
            (found, fails) => panic!("{label}: {:?} {fails:?}", found.err()),
        };
        assert_eq!((found.height, found.width), (case.height, case.width), "{label}");
        assert_eq!(found.values.len(), 3 * case.height * case.width, "{label}");
        let last = found.values.len() - 1;
        let steps = case.values.len() - 1;
        // As NumPy's `linspace` spreads them.
        let place_of = |index: usize| match index == steps {
            true => last,
            false => (index as f64 * (last as f64 / steps as f64)) as usize,
        };
        for (index, expected) in case.values.iter().enumerate() {
            let place = place_of(index);
            let error = (f64::from(found.values[place]) - expected).abs();
            if error > TOLERANCE {
                wrong.push(format!("{label} at {place}: off by {error}"));
                break;
            }
        }
        let moments = if case.recipe == "dgm_eval" {
            &IMAGE_NET
        } else {
            &CLIP
        };
        if case
            .checksum
            .is_some_and(|sum| sum != adler(&bytes(&found.values, moments)))
        {
            wrong.push(format!("{label}: another byte"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn pictures_of_which_nothing_can_be_made_are_refused() {
    let refused = |preprocessing: Preprocessing, width, height| {
        preprocessing
            .apply(&formula("RGB", width, height))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(Preprocessing::blip(224), 0, 5).starts_with("It has 0 x 5 pixels"));
    assert!(refused(Preprocessing::blip(224), 70_000, 1).contains("more than 65535 along a side"));
    assert!(refused(Preprocessing::hps(224, true), 1000, 1).contains("is brought to 224"));
    assert!(refused(Preprocessing::blip(0), 5, 5).contains("expected 1 to 4096"));
    assert!(refused(Preprocessing::open_ai_clip(1 << 40), 5, 5).contains("expected 1 to 4096"));
}

/// The reference leaves these as they are, and its network then fails.
#[test]
fn hps_puts_zeros_around_what_has_the_right_longer_side_already() {
    let found = Preprocessing::hps(224, false)
        .apply(&formula("RGB", 224, 100))
        .unwrap();
    assert_eq!((found.height, found.width), (224, 224));
    let black = Normalisation::Divided(CLIP).bytes(&[0, 0, 0]);
    assert_eq!(found.values[..3], black);
    assert_ne!(found.values[3 * 224 * 112..][..3], black);
}

#[test]
fn recipes_differ_in_keys_and_batches_have_the_images_in_order() {
    let side = 8;
    let settings = ClipImageSettings::default();
    let recipes = [
        Preprocessing::open_ai_clip(side),
        Preprocessing::transformers_clip(settings.clone()),
        Preprocessing::transformers_clip(settings.with_backend(ImageBackend::Torchvision)),
        Preprocessing::hps(side, false),
        Preprocessing::hps(side, true),
        Preprocessing::blip(side),
        Preprocessing::dgm_eval(side),
        Preprocessing::cmmd(side),
        Preprocessing::clean_fid(),
    ];
    let mut keys: Vec<String> = recipes
        .iter()
        .map(|recipe| serde_json::to_string(recipe).unwrap())
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), recipes.len());
    let images = [3, 5].map(|size| recipes[5].apply(&formula("RGB", size, size)).unwrap());
    let device = burn::tensor::Device::flex();
    let batch = Pixels::batch(&images, &device, burn::tensor::FloatDType::F32);
    assert_eq!(batch.dims(), [2, side, side, 3]);
    let values = batch.into_data().try_into_vec::<f32>().unwrap();
    assert_eq!(values, [&images[0].values[..], &images[1].values[..]].concat());
}

/// Run it alone, in release, with `--ignored --nocapture`.
#[test]
#[ignore = "measures time"]
fn time_of_each_recipe() {
    let picture = formula("RGB", 512, 512);
    for (name, recipe) in [
        ("open_ai_clip", Preprocessing::open_ai_clip(224)),
        ("torchvision", {
            let settings = ClipImageSettings::default().with_backend(ImageBackend::Torchvision);
            Preprocessing::transformers_clip(settings)
        }),
        ("hps", Preprocessing::hps(224, false)),
        ("hps with antialiasing", Preprocessing::hps(224, true)),
        ("blip", Preprocessing::blip(480)),
        ("clean_fid", Preprocessing::clean_fid()),
    ] {
        let runs = 20;
        let start = Instant::now();
        for _ in 0..runs {
            recipe.apply(&picture).unwrap();
        }
        println!(
            "{name}: {:.2} ms",
            start.elapsed().as_secs_f64() * 1e3 / f64::from(runs)
        );
    }
}
