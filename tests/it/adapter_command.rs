//! `mitune adapter info`, `convert` and `diff`: from files to files, through the program itself.

use std::fs;

use mitune_diffusion::nn::weights::Dtype;
use serde_json::Value;

use crate::adapter_place::{place, read, refuse, succeed};

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
    assert!(
        message.contains("Adapter `missing.safetensors` does not exist"),
        "{message}"
    );
    fs::write(folder.join("no.safetensors"), "no adapter").unwrap();
    let message = refuse(folder, &["diff", "lora.safetensors", "no.safetensors"]);
    assert!(
        message.contains("`no.safetensors` cannot be read as an adapter"),
        "{message}"
    );
    assert!(message.contains("expected a safetensors file"), "{message}");

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
