//! `mitune adapter`: from files to files, through the program itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::adapter::{AdapterConfig, AdapterMethod, AdapterTargets, SavedAdapter, attach};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::weights::{Dtype, TensorMap, TensorSource, WeightsFolder};
use serde_json::Value;

use crate::program::{Ended, run_real};
use crate::trial_model;

/// A folder with `model`, `lora.safetensors` and `dora.safetensors`, which also change convolutions.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    trial_model::write(&model);
    let directory = ModelDirectory::open(&model).unwrap();
    let device = Device::flex();
    for (method, file) in [(AdapterMethod::Lora, "lora"), (AdapterMethod::Dora, "dora")] {
        let mut unet = directory.load_unet(&device, FloatDType::F32).unwrap();
        let config = AdapterConfig {
            method,
            rank: 2,
            alpha: 3.0,
            targets: AdapterTargets {
                modules: vec!["conv1".to_owned(), "conv_in".to_owned()],
                ..AdapterTargets::default()
            },
            seed: 1,
        };
        attach(&mut unet, &config).unwrap();
        let mut saved = SavedAdapter::extract(&unet).unwrap();
        for layer in saved.layers.values_mut() {
            let values = layer.lora_b.iter_mut().enumerate();
            values.for_each(|(index, value)| *value = 0.05 * (index as f32).sin());
        }
        let bytes = saved.to_bytes("unet", Dtype::F32).unwrap();
        fs::write(folder.path().join(format!("{file}.safetensors")), bytes).unwrap();
    }
    folder
}

fn adapter(folder: &Path, words: &[&str]) -> Ended {
    run_real(folder, &[&["adapter"], words].concat())
}

fn succeed(folder: &Path, words: &[&str]) -> String {
    let ended = adapter(folder, words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

fn refuse(folder: &Path, words: &[&str]) -> String {
    let ended = adapter(folder, words);
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    ended.stderr
}

fn read(path: &Path) -> SavedAdapter {
    SavedAdapter::from_bytes(&fs::read(path).unwrap(), "unet").unwrap()
}

fn weights(model: &Path) -> TensorMap {
    let folder = WeightsFolder::open(&model.join("unet"), "diffusion_pytorch_model").unwrap();
    folder.read_all().unwrap()
}

/// Root of the mean square of the difference, over that of the first.
fn distance(first: &TensorMap, second: &TensorMap) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    assert!(first.keys().eq(second.keys()));
    let (mut difference, mut length) = (0.0, 0.0);
    for (first, second) in first.values().zip(second.values()) {
        assert_eq!((first.dtype, &first.shape), (second.dtype, &second.shape));
        let (first, second) = (first.to_f32().unwrap(), second.to_f32().unwrap());
        let pairs = first.iter().zip(&second);
        difference += squares(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
        length += squares(&mut first.iter().map(|a| f64::from(*a)));
    }
    (difference / length).sqrt()
}

#[test]
fn an_adapter_is_described_in_words_and_as_json() {
    let place = place();
    let text = succeed(place.path(), &["info", "dora.safetensors"]);
    for line in [
        "form     peft",
        "changes  unet",
        "method   dora",
        "rank     2",
        "alpha    3",
        "targets  conv1, conv_in, ff.net.0.proj, ff.net.2, to_k, to_out.0, to_q, to_v",
        "dtype    f32",
        "metadata format, lora_adapter_metadata",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("of them convolutions"), "{text}");
    let json: Value =
        serde_json::from_str(&succeed(place.path(), &["info", "dora.safetensors", "--json"])).unwrap();
    assert_eq!(json["layers"]["conv_in"]["kernel"], serde_json::json!([3, 3]));
    assert!(json["norm"].as_f64().unwrap() > 0.0);
}

#[test]
fn every_form_is_written_and_read_back_exactly() {
    let place = place();
    let folder = place.path();
    for file in ["lora", "dora"] {
        let name = format!("{file}.safetensors");
        let kohya = format!("{file}-kohya.safetensors");
        let peft = format!("{file}-peft");
        let back = format!("{file}-back.safetensors");
        succeed(folder, &["convert", &name, "--to", "kohya", &kohya]);
        succeed(folder, &["convert", &kohya, "--to", "peft", &peft]);
        assert_eq!(
            succeed(folder, &["convert", &peft, "--to", "peft", &back]),
            format!("Wrote `{back}` in f32\n")
        );
        assert!(fs::read(folder.join(&name)).unwrap() == fs::read(folder.join(&back)).unwrap());
        assert!(folder.join(&peft).join("adapter_config.json").is_file());
        let info = succeed(folder, &["info", &kohya]);
        assert!(info.contains("form     kohya"), "{info}");
        let half = format!("{file}-half.safetensors");
        succeed(
            folder,
            &["convert", &name, "--to", "kohya", &half, "--dtype", "bf16"],
        );
        assert!(succeed(folder, &["info", &half]).contains("dtype    bf16"));
        let again = format!("{file}-again.safetensors");
        let said = succeed(folder, &["convert", &half, "--to", "peft", &again]);
        assert!(said.ends_with("in bf16\n"), "{said}");
        let difference = succeed(folder, &["diff", &name, &again, "--json"]);
        let difference: Value = serde_json::from_str(&difference).unwrap();
        let distance = difference["total"]["relative_distance"].as_f64().unwrap();
        assert!((1e-4..1e-2).contains(&distance), "{distance}");
    }
}

#[test]
fn a_merged_model_is_the_model_with_the_adapter() {
    let place = place();
    let folder = place.path();
    let generate = |model: &str, adapter: Option<&str>, out: &str| {
        let mut words = vec![
            "generate",
            "--model",
            model,
            "--prompt",
            "a red circle",
            "--steps",
            "3",
        ];
        words.extend(["--device", "cpu", "--rng", "torch", "--out", out]);
        words.extend(adapter.map(|file| ["--adapter", file]).into_iter().flatten());
        let ended = run_real(folder, &words);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        fs::read(folder.join(out).join("0000.png")).unwrap()
    };
    let base = generate("model", None, "base");
    for file in ["lora.safetensors", "dora.safetensors:0.5"] {
        let merged = format!("merged-{}", &file[..4]);
        let said = succeed(folder, &["merge", file, "--model", "model", "--out", &merged]);
        assert!(said.starts_with("Folded 1 adapter into "), "{said}");
        let with = generate("model", Some(file), &format!("with-{}", &file[..4]));
        let without = generate(&merged, None, &format!("of-{merged}"));
        assert!(with == without);
        assert!(with != base);
        assert_eq!(
            fs::read(folder.join("model/vae/config.json")).unwrap(),
            fs::read(folder.join(&merged).join("vae/config.json")).unwrap()
        );
    }
}

#[test]
fn means_of_weights_and_of_factors_are_what_they_say() {
    let place = place();
    let folder = place.path();
    // Half the change of LoRA and none at all: exactly half the change.
    succeed(
        folder,
        &[
            "convert",
            "lora.safetensors",
            "--to",
            "peft",
            "second.safetensors",
        ],
    );
    let text = succeed(
        folder,
        &[
            "merge",
            "lora.safetensors:3",
            "second.safetensors",
            "--mean",
            "factors",
            "--out",
            "factors.safetensors",
        ],
    );
    assert!(text.starts_with("Wrote the mean of 2 adapters"), "{text}");
    assert_eq!(
        read(&folder.join("factors.safetensors")),
        read(&folder.join("lora.safetensors"))
    );

    let words = [
        "merge",
        "lora.safetensors",
        "dora.safetensors:2",
        "--mean",
        "weights",
        "--out",
        "mean.safetensors",
    ];
    let message = refuse(folder, &words);
    assert!(message.contains("depend on the model"), "{message}");
    succeed(folder, &[&words[..], &["--model", "model"]].concat());
    assert_eq!(read(&folder.join("mean.safetensors")).rank(), Some(4));
    for (file, out) in [("lora", "a"), ("dora", "b"), ("mean", "c")] {
        let file = format!("{file}.safetensors");
        succeed(folder, &["merge", &file, "--model", "model", "--out", out]);
    }
    let [lora, dora, found] = ["a", "b", "c"].map(|model| weights(&folder.join(model)));
    let mean = lora.iter().map(|(name, tensor)| {
        let values = tensor
            .to_f32()
            .unwrap()
            .into_iter()
            .zip(dora[name].to_f32().unwrap());
        let values: Vec<f32> = values.map(|(a, b)| (a + 2.0 * b) / 3.0).collect();
        let tensor = mitune_diffusion::weights::HostTensor::from_f32(&values, tensor.shape.clone());
        (name.clone(), tensor)
    });
    let mean: TensorMap = mean.collect::<BTreeMap<_, _>>();
    // Measured 4e-8: rounding to f32 alone.
    assert!(distance(&mean, &found) < 2e-7, "{}", distance(&mean, &found));
    assert!(distance(&mean, &lora) > 1e-3);
}

#[test]
fn several_adapters_are_folded_in_at_their_scales() {
    let place = place();
    let folder = place.path();
    succeed(
        folder,
        &[
            "merge",
            "lora.safetensors:0.5",
            "lora.safetensors:0.5",
            "--model",
            "model",
            "--out",
            "twice",
        ],
    );
    succeed(
        folder,
        &["merge", "lora.safetensors", "--model", "model", "--out", "once"],
    );
    let [once, twice, base] = ["once", "twice", "model"].map(|model| weights(&folder.join(model)));
    assert!(distance(&once, &twice) < 1e-6);
    assert!(distance(&once, &base) > 1e-3);
}

#[test]
fn differences_are_shown_layer_by_layer() {
    let place = place();
    let text = succeed(
        place.path(),
        &["diff", "lora.safetensors", "lora.safetensors:0.5"],
    );
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("LAYER"), "{text}");
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("all layers") && last.contains("0.500000  1.000000"),
        "{text}"
    );
}

#[test]
fn nothing_is_overwritten_and_what_is_wrong_is_named() {
    let place = place();
    let folder = place.path();
    fs::write(folder.join("kept"), "kept").unwrap();
    for words in [
        &["convert", "lora.safetensors", "--to", "kohya", "kept"][..],
        &["merge", "lora.safetensors", "--model", "model", "--out", "kept"],
        &["merge", "lora.safetensors", "--mean", "weights", "--out", "kept"],
    ] {
        let message = refuse(folder, words);
        assert!(
            message.contains("`kept` is there already and is not overwritten"),
            "{message}"
        );
    }
    assert_eq!(fs::read(folder.join("kept")).unwrap(), b"kept");
    let message = refuse(folder, &["merge", "lora.safetensors", "--out", "new"]);
    assert!(message.contains("--model"), "{message}");
    let message = refuse(
        folder,
        &[
            "merge",
            "lora.safetensors",
            "lora.safetensors:-1",
            "--mean",
            "weights",
            "--out",
            "new",
        ],
    );
    assert!(message.contains("add up to 0"), "{message}");
    let message = refuse(folder, &["info", "missing.safetensors"]);
    assert!(message.contains("Cannot read `missing.safetensors`"), "{message}");
    fs::write(folder.join("no.safetensors"), "no adapter").unwrap();
    let message = refuse(folder, &["diff", "lora.safetensors", "no.safetensors"]);
    assert!(
        message.contains("`no.safetensors` cannot be read as an adapter"),
        "{message}"
    );
    assert!(message.contains("Not a safetensors file"), "{message}");

    let mut other = read(&folder.join("lora.safetensors"));
    let layer = other.layers["conv_in"].clone();
    other.layers.insert("conv_elsewhere".to_owned(), layer);
    fs::write(
        folder.join("other.safetensors"),
        other.to_bytes("unet", Dtype::F32).unwrap(),
    )
    .unwrap();
    let message = refuse(
        folder,
        &["merge", "other.safetensors", "--model", "model", "--out", "new"],
    );
    assert!(
        message.contains("`conv_elsewhere`, which the model does not have"),
        "{message}"
    );
    assert!(!folder.join("new").exists());
    let drafts = fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(drafts.count(), 0);
}
