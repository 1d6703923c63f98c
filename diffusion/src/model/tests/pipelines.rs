//! Tiny pipelines as diffusers saves Stable Diffusion 1.5, 2.1 and XL, part by part.
//!
//! The folders and numbers are made by `tools/goldens/export_pipelines.py`.

use super::*;
use crate::conditioning::{AddedConditioning, Conditioning};

const PROMPTS: [&str; 2] = ["a red circle and a blue square", "two cats, 3 dogs!"];
const IMAGE: ImageSize = ImageSize {
    height: 16,
    width: 24,
};

fn open(name: &str) -> ModelDirectory {
    ModelDirectory::open(&golden::path(&format!("models/{name}"))).unwrap()
}

/// Relative errors of prompts, negative prompt, denoiser and decoder.
fn errors(name: &str) -> Vec<(&'static str, f64)> {
    let device = Device::flex();
    let model = open(name).load(&device, FloatDType::F32).unwrap();
    let expected = golden::tensors(&format!("models/{name}/golden.safetensors"));
    let encoded = model.encode_prompts(&PROMPTS, IMAGE, &device).unwrap();
    assert_eq!(encoded.truncated, [false, false]);
    let conditioning = encoded.conditioning;
    let context = conditioning.context.clone();
    let mut errors = vec![("context", golden::relative_error(context, &expected, "context"))];
    if let Some(AddedConditioning {
        text_embeds,
        time_ids,
    }) = conditioning.added.clone()
    {
        errors.push((
            "text_embeds",
            golden::relative_error(text_embeds, &expected, "text_embeds"),
        ));
        errors.push((
            "time_ids",
            golden::relative_error(time_ids.unwrap(), &expected, "time_ids"),
        ));
    } else {
        let empty = model.encode_negative("", IMAGE, &device).unwrap().conditioning;
        let empty = empty.repeat(2).context;
        errors.push((
            "negative",
            golden::relative_error(empty, &expected, "negative_context"),
        ));
    }
    // The latents that the exporter made by name.
    let latents = crate::nn::weights::seeded_input(40, "latents", [2, 4, 8, 12], &device);
    let timesteps = Tensor::from_data([10.0, 900.5], &device);
    let output = model.network.forward(latents.clone(), timesteps, conditioning);
    errors.push(("unet", golden::relative_error(output, &expected, "output")));
    errors.push((
        "decoded",
        golden::relative_error(model.decode(latents), &expected, "decoded"),
    ));
    errors
}

#[test]
fn every_part_equals_diffusers() {
    for name in ["sd15", "sd21", "sdxl"] {
        for (part, error) in errors(name) {
            println!("{name} {part}: relative error {error:.1e}");
            assert!(error < 4e-6, "{name} {part}: {error}");
        }
    }
}

#[test]
fn an_empty_negative_prompt_is_zeros_where_the_index_says_so() {
    let device = Device::flex();
    let mut model = open("sdxl").load(&device, FloatDType::F32).unwrap();
    let expected = golden::tensors("models/sdxl/golden.safetensors");
    let negative = |model: &DiffusionModel, text| {
        model
            .encode_negative(text, IMAGE, &device)
            .unwrap()
            .conditioning
            .repeat(2)
    };
    let zero = |conditioning: Conditioning| {
        let added = conditioning.added.unwrap();
        let numbers: Vec<f32> = added.time_ids.unwrap().narrow(0, 0, 1).try_into_vec_as().unwrap();
        assert_eq!(numbers, [16.0, 24.0, 0.0, 0.0, 16.0, 24.0]);
        let largest = conditioning.context.abs().max().into_scalar::<f32>();
        largest.max(added.text_embeds.abs().max().into_scalar::<f32>()) == 0.0
    };
    assert!(zero(negative(&model, "")));
    let written = negative(&model, "a dog");
    let error = golden::relative_error(written.context.clone(), &expected, "written_negative_context");
    assert!(error < 4e-6 && !zero(written), "{error}");
    let second = model.second_text_encoder.as_mut().unwrap();
    second.force_zeros_for_empty_prompt = false;
    assert!(!zero(negative(&model, "")));
}

#[test]
fn every_kind_is_written_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sd15", "sd21", "sdxl"] {
        let original = open(name);
        let model = original.load(&Device::flex(), FloatDType::F32).unwrap();
        // A kept folder can be checked in diffusers: `tools/check_model.py FOLDER ORIGINAL`.
        let path = match std::env::var_os("MITUNE_KEEP_MODELS") {
            Some(kept) => PathBuf::from(kept).join(name),
            None => folder.path().join(name),
        };
        model.write(&path, None).unwrap();
        let written = ModelDirectory::open(&path).unwrap();
        assert_eq!(
            written.unet.read_all().unwrap(),
            original.unet.read_all().unwrap()
        );
        let (before, after) = (original.digests().unwrap(), written.digests().unwrap());
        assert_eq!((before.unet, before.vae), (after.unet, after.vae), "{name}");
        assert_eq!(before.tokenizer, after.tokenizer);
        // transformers spells the first text encoder's tensors without `text_model.`.
        let before = before.second_text_encoder;
        assert_eq!(before.is_some(), name == "sdxl");
        assert_eq!(before, after.second_text_encoder);
    }
}

#[test]
fn the_second_text_encoder_is_part_of_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = open("sdxl").load(&Device::flex(), FloatDType::F32).unwrap();
    model.write(&folder.path().join("zeros"), None).unwrap();
    let second = model.second_text_encoder.as_mut().unwrap();
    second.force_zeros_for_empty_prompt = false;
    model.write(&folder.path().join("text"), None).unwrap();
    let digests = |name: &str| {
        ModelDirectory::open(&folder.path().join(name))
            .unwrap()
            .digests()
            .unwrap()
    };
    let (zeros, text) = (digests("zeros"), digests("text"));
    assert_eq!(zeros.unet, text.unet);
    assert_ne!(zeros.second_text_encoder, text.second_text_encoder);
    assert_ne!(zeros.whole(), text.whole());
}

/// The entries and variants of published folders.
#[test]
fn published_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let model = open("sd15").load(&Device::flex(), FloatDType::F32).unwrap();
    model.write(&path, Some(Dtype::F16)).unwrap();
    let index = path.join("model_index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let mut fields: serde_json::Value = serde_json::from_str(&text).unwrap();
    fields["safety_checker"] = serde_json::json!(["stable_diffusion", "StableDiffusionSafetyChecker"]);
    fields["feature_extractor"] = serde_json::json!(["transformers", "CLIPFeatureExtractor"]);
    std::fs::write(&index, fields.to_string()).unwrap();
    for (part, stem) in [
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ] {
        let file = |suffix: &str| path.join(part).join(format!("{stem}{suffix}.safetensors"));
        std::fs::rename(file(""), file(".fp16")).unwrap();
    }
    let half = ModelDirectory::open(&path).unwrap();
    assert_eq!(half.unet.variant(), Some("fp16"));
    // Plain weights come first, unless the variant is asked for.
    let full = folder.path().join("full");
    model.write(&full, None).unwrap();
    let plain = "diffusion_pytorch_model.safetensors";
    std::fs::copy(full.join("unet").join(plain), path.join("unet").join(plain)).unwrap();
    let both = ModelDirectory::open(&path).unwrap();
    assert_eq!((both.unet.variant(), both.vae.variant()), (None, Some("fp16")));
    let asked = ModelDirectory::open_variant(&path, Some("fp16")).unwrap();
    assert_eq!(asked.unet.variant(), Some("fp16"));
    assert_eq!(asked.digests().unwrap().unet, half.digests().unwrap().unet);
    let none = ModelDirectory::open_variant(&path, Some("non_ema")).unwrap_err();
    assert!(matches!(none, ModelError::NoVariant { .. }));
}
