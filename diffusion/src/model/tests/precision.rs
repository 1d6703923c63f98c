//! Every part in f32, f16 and bf16 against diffusers in f64 with the same weights, rounded alike.
//!
//! The numbers are made by `tools/goldens/export_pipelines.py`, which also says how far diffusers
//! itself is off on the CPU in each type.

use super::*;
use crate::conditioning::{AddedConditioning, Conditioning};
use crate::nn::weights::seeded_input;

const IMAGE: ImageSize = ImageSize {
    height: 16,
    width: 24,
};

/// Relative errors of the parts of a model in a type, and the largest absolute ones.
fn errors(name: &str, dtype: FloatDType, label: &str) -> Vec<(String, f64, f64)> {
    let device = Device::flex();
    let directory = ModelDirectory::open(&golden::path(&format!("models/{name}"))).unwrap();
    let model = directory.load(&device, dtype).unwrap();
    // Alone, an autoencoder has the type asked for whatever overflows in it.
    let vae = directory.load_vae(&device, dtype).unwrap();
    let expected = golden::tensors(&format!("models/{name}/precision.safetensors"));
    let prompts = ["a red circle and a blue square", "two cats, 3 dogs!"];
    let encoded = model
        .encode_prompts(&prompts, IMAGE, &device)
        .unwrap()
        .conditioning;
    let DenoiserShape {
        context_features: width,
        pooled_features,
        ..
    } = model.denoiser_shape();
    let added = pooled_features.map(|pooled| {
        let sizes = [512.0, 768.0, 0.0, 0.0, 512.0, 768.0];
        AddedConditioning {
            text_embeds: seeded_input(41, "text_embeds", [2, pooled], &device).cast(dtype),
            time_ids: Some(Tensor::<2>::from_data([sizes, sizes], &device)),
        }
    });
    let conditioning = Conditioning {
        context: seeded_input(41, "context", [2, 5, width], &device).cast(dtype),
        value_context: None,
        key_contexts: None,
        added,
    };
    let latents = seeded_input(41, "latents", [2, 4, 8, 8], &device);
    let times = Tensor::from_data([10.0, 900.5], &device);
    let output = model
        .network
        .forward(latents.clone().cast(dtype), times, conditioning);
    let image = seeded_input(41, "image", [2, 3, 16, 16], &device);
    let (mean, _) = vae.encode(image);
    let mut found: Vec<(&str, Tensor<4>)> = vec![
        ("context", encoded.context.unsqueeze()),
        ("output", output),
        ("decoded", vae.decode(latents)),
        ("mean", mean),
    ];
    found.extend(
        encoded
            .added
            .map(|added| ("text_embeds", added.text_embeds.unsqueeze())),
    );
    found
        .into_iter()
        .map(|(part, found)| {
            assert_eq!(found.dtype(), dtype.into(), "{part}");
            let golden = expected[&format!("{label}.{part}")].to_f32().unwrap();
            let found: Vec<f32> = found.cast(FloatDType::F32).try_into_vec_as().unwrap();
            let off = |(a, b): (&f32, &f32)| f64::from(a - b);
            let squares: f64 = found.iter().zip(&golden).map(|pair| off(pair).powi(2)).sum();
            let length: f64 = golden.iter().map(|value| f64::from(*value).powi(2)).sum();
            let largest = found.iter().zip(&golden).map(|pair| off(pair).abs());
            (
                part.to_owned(),
                (squares / length).sqrt(),
                largest.fold(0.0, f64::max),
            )
        })
        .collect()
}

/// Bounds are about four times the largest error; diffusers' own largest are 7e-7, 1.7e-3, 1.4e-2.
#[test]
fn every_type_is_as_close_as_its_rounding_allows() {
    for (dtype, label, bound) in [
        (FloatDType::F32, "f32", 4e-6),
        (FloatDType::F16, "f16", 6e-3),
        (FloatDType::BF16, "bf16", 5e-2),
    ] {
        for name in ["sd15", "sd21", "sdxl"] {
            for (part, relative, absolute) in errors(name, dtype, label) {
                println!("{name} {label} {part}: relative {relative:.1e}, largest {absolute:.1e}");
                assert!(relative < bound, "{name} {label} {part}: {relative}");
            }
        }
    }
}

#[test]
fn the_autoencoder_of_xl_is_upcast_where_f16_overflows() {
    let device = Device::flex();
    for (name, dtype, expected) in [
        ("sdxl", FloatDType::F16, FloatDType::F32),
        ("sdxl", FloatDType::BF16, FloatDType::BF16),
        ("sd15", FloatDType::F16, FloatDType::F16),
    ] {
        let model = ModelDirectory::open(&golden::path(&format!("models/{name}")))
            .unwrap()
            .load(&device, dtype)
            .unwrap();
        assert_eq!(model.vae.dtype(), expected.into(), "{name}");
        let latents = seeded_input::<4>(41, "latents", [1, 4, 8, 8], &device);
        let image = model.decode(latents);
        assert_eq!(image.dtype(), expected.into());
    }
}
