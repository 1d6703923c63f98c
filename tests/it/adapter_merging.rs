//! `mitune adapter merge`: into a model directory, and to the mean of several.

use std::collections::BTreeMap;
use std::fs;

use mitune_diffusion::nn::weights::TensorMap;

use crate::adapter_place::{distance, place, read, refuse, succeed, weights};
use crate::program::run_real;

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
        let tensor = mitune_diffusion::nn::weights::HostTensor::from_f32(&values, tensor.shape.clone());
        (name.clone(), tensor)
    });
    let mean: TensorMap = mean.collect::<BTreeMap<_, _>>();
    // Rounding to f32 alone.
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
