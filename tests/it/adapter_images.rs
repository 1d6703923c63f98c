//! Images with adapters: the program and diffusers draw the same, whoever trained the adapter and in whatever form.
//!
//! `tools/goldens/export_adapter_images.py` trains adapters with PEFT and has diffusers draw with them, and with those
//! that mitune trained (`tools/parity/adapters.py`). Largest difference measured: 1 of 255.

use std::fs;
use std::path::{Path, PathBuf};

use mitune_diffusion::adapter::{AdapterContents, AdapterForm, SavedAdapter};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::nn::weights::{Dtype, SafetensorsFile, TensorMap, TensorSource as _};

use crate::program::run_real;

const MODELS: [&str; 3] = ["sd15", "sd21", "sdxl"];

fn golden(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("diffusion/tests/golden")
        .join(part)
}

fn images() -> TensorMap {
    let file = SafetensorsFile::open(&golden("adapter_images/images.safetensors")).unwrap();
    file.read_all().unwrap()
}

/// The prompt's image as the program draws it.
fn draw(folder: &Path, model: &str, adapter: Option<&str>) -> Vec<u8> {
    let model = golden("models").join(model).display().to_string();
    let out = folder.join("out");
    let mut words = vec![
        "generate",
        "--model",
        &model,
        "--prompt",
        "a red circle and a blue square",
    ];
    words.extend([
        "--steps",
        "4",
        "--guidance",
        "3",
        "--height",
        "16",
        "--width",
        "16",
    ]);
    words.extend(["--rng", "torch", "--seed", "0", "--device", "cpu", "--out", "out"]);
    words.extend(adapter.map(|file| ["--adapter", file]).into_iter().flatten());
    let ended = run_real(folder, &words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let bytes = fs::read(out.join("0000.png")).unwrap();
    fs::remove_dir_all(out).unwrap();
    RgbImage::from_png(&bytes).unwrap().pixels().to_vec()
}

fn largest_difference(found: &[u8], expected: &[u8]) -> u8 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// Draws with files of one kind and compares with diffusers.
fn compare(kind: impl Fn(&str) -> (String, String)) {
    let folder = tempfile::tempdir().unwrap();
    let images = images();
    for model in MODELS {
        for method in ["lora", "dora"] {
            let (file, image) = kind(&format!("{model}_{method}"));
            let path = golden("adapter_images").join(&file).display().to_string();
            let found = draw(folder.path(), model, Some(&path));
            let difference = largest_difference(&found, &images[&image].data);
            assert!(difference <= 2, "{file}: {difference}");
            let base = largest_difference(&found, &images[&format!("base_{model}")].data);
            assert!(base > 10, "{file} changes little: {base}");
        }
    }
}

#[test]
fn without_an_adapter_images_are_those_of_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    for model in MODELS {
        let found = draw(folder.path(), model, None);
        let difference = largest_difference(&found, &images()[&format!("base_{model}")].data);
        assert!(difference <= 2, "{model}: {difference}");
    }
}

#[test]
fn adapters_that_peft_trained() {
    compare(|name| (format!("peft_{name}.safetensors"), format!("peft_{name}")));
}

#[test]
fn adapters_that_peft_trained_at_half_their_scale() {
    compare(|name| (format!("peft_{name}.safetensors:0.5"), format!("peft_{name}:0.5")));
}

#[test]
fn adapters_that_peft_trained_in_kohya_form() {
    compare(|name| (format!("kohya_{name}.safetensors"), format!("peft_{name}")));
}

#[test]
fn adapters_that_mitune_trained() {
    compare(|name| (format!("mitune_{name}.safetensors"), format!("mitune_{name}")));
}

#[test]
fn adapters_of_text_encoders_too() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let images = images();
    let run = |words: &[&str]| {
        let ended = run_real(folder, words);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    };
    for model in ["sd15", "sdxl"] {
        let base = golden("models").join(model).display().to_string();
        for form in ["text", "kohya_text"] {
            let name = format!("{form}_{model}");
            let file = golden("adapter_images").join(format!("{name}.safetensors"));
            let file = file.display().to_string();
            let other = format!("other_{name}.safetensors");
            let to = if form == "text" { "kohya" } else { "peft" };
            run(&["adapter", "convert", &file, "--to", to, &other]);
            let merged = format!("merged_{name}");
            run(&["adapter", "merge", &file, "--model", &base, "--out", &merged]);
            let half = format!("{file}:0.5");
            for (what, found, expected) in [
                ("as it is", draw(folder, model, Some(&file)), name.clone()),
                (
                    "at half its scale",
                    draw(folder, model, Some(&half)),
                    format!("{name}:0.5"),
                ),
                (
                    "in the other form",
                    draw(folder, model, Some(&other)),
                    name.clone(),
                ),
                (
                    "merged",
                    draw(folder, &folder.join(&merged).display().to_string(), None),
                    name.clone(),
                ),
            ] {
                let difference = largest_difference(&found, &images[&expected].data);
                assert!(difference <= 2, "{name} {what}: {difference}");
            }
        }
    }
}

/// What diffusers read is what is written today, so that the comparison holds for every file to come.
#[test]
fn files_that_diffusers_read_are_written_the_same_today() {
    for model in MODELS {
        for method in ["lora", "dora"] {
            let read = |origin: &str| {
                let path = golden("adapter_images").join(format!("{origin}_{model}_{method}.safetensors"));
                fs::read(path).unwrap()
            };
            let bytes = read("mitune");
            let saved = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
            assert!(saved.to_bytes("unet", Dtype::F32).unwrap() == bytes);
            let [peft, kohya] = ["peft", "kohya"].map(|origin| AdapterContents::read(&read(origin), None));
            let (peft, kohya) = (peft.unwrap(), kohya.unwrap());
            assert_eq!(peft.form, AdapterForm::Diffusers);
            assert_eq!(kohya.form, AdapterForm::Kohya);
            assert_eq!(peft.adapters, kohya.adapters);
        }
    }
}
