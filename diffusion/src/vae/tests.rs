use burn::tensor::{Device, FloatDType, Tensor};

use super::*;
use crate::nn::weights::{
    Dtype, NameTable, SafetensorsFile, TensorMap, TensorSource, golden, load_module, module_tensors,
};

fn config(case: &str) -> AutoencoderConfig {
    let text = std::fs::read(golden::path(&format!("vae/{case}/config.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn weights(case: &str) -> TensorMap {
    golden::tensors(&format!("vae/{case}/diffusion_pytorch_model.safetensors"))
}

fn load(case: &str, weights: &dyn TensorSource, device: &Device) -> AutoencoderKL {
    let model = AutoencoderKL::new(&config(case), device).unwrap();
    load_module(model, weights, &AUTOENCODER_NAMES, FloatDType::F32).unwrap()
}

#[test]
fn equals_diffusers() {
    let device = Device::flex();
    for case in ["full", "bare"] {
        let file = golden::path(&format!("vae/{case}/diffusion_pytorch_model.safetensors"));
        let model = load(case, &SafetensorsFile::open(&file).unwrap(), &device);
        let expected = golden::tensors(&format!("vae/{case}/golden.safetensors"));
        let (mean, log_variance) = model.encode(golden::tensor(&expected, "image", &device));
        let decoded = model.decode(golden::tensor(&expected, "latent", &device));
        for (name, found) in [("mean", mean), ("logvar", log_variance), ("decoded", decoded)] {
            let error = golden::relative_error(found, &expected, name);
            println!("vae {case} {name}: relative error {error:.1e}");
            assert!(error < 1e-5, "{case} {name}: {error}");
        }
    }
}

#[test]
fn former_attention_names_are_read() {
    let device = Device::flex();
    let current = weights("full");
    let spelling = [
        (".to_q.", ".query."),
        (".to_k.", ".key."),
        (".to_v.", ".value."),
        (".to_out.0.", ".proj_attn."),
    ];
    let former: TensorMap = current
        .iter()
        .map(|(name, tensor)| {
            let name = spelling
                .iter()
                .fold(name.clone(), |name, (new, old)| name.replace(new, old));
            let mut tensor = tensor.clone();
            if name.ends_with(".query.weight") {
                tensor.shape.extend([1, 1]);
            }
            (name, tensor)
        })
        .collect();
    assert_eq!(
        former.keys().filter(|name| !current.contains_key(*name)).count(),
        16
    );
    let model = load("full", &former, &device);
    assert_eq!(module_tensors(&model, &AUTOENCODER_NAMES), current);
}

#[test]
fn parameter_paths_are_diffusers_names() {
    let device = Device::flex();
    for case in ["full", "bare"] {
        let model = AutoencoderKL::new(&config(case), &device).unwrap();
        let found: Vec<_> = module_tensors(&model, &NameTable::default())
            .into_iter()
            .map(|(name, tensor)| (name, tensor.shape))
            .collect();
        let expected: Vec<_> = weights(case)
            .into_iter()
            .map(|(name, tensor)| (name, tensor.shape))
            .collect();
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn half_precision_weights_are_widened_on_load() {
    let device = Device::flex();
    let half: TensorMap = weights("full")
        .into_iter()
        .map(|(name, tensor)| (name, tensor.cast(Dtype::F16).unwrap()))
        .collect();
    let model = load("full", &half, &device);
    let expected = golden::tensors("vae/full/golden.safetensors");
    let decoded = model.decode(golden::tensor(&expected, "latent", &device));
    let error = golden::relative_error(decoded, &expected, "decoded");
    assert!(error > 1e-5 && error < 5e-3, "{error}");
}

#[test]
fn gradients_reach_every_parameter() {
    let device = Device::flex().autodiff();
    let model = AutoencoderKL::new(&config("full"), &device).unwrap();
    let image = Tensor::<4>::ones([1, 3, 8, 8], &device) * 0.3;
    let (mean, log_variance) = model.encode(image);
    let loss = model.decode(mean).square().mean() + log_variance.square().mean();
    let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &model);
    assert_eq!(gradients.len(), weights("full").len());
}

#[test]
fn a_shift_is_taken_before_scaling_and_given_back_after_it() {
    let device = Device::flex();
    let shifted = AutoencoderConfig {
        scaling_factor: 2.0,
        shift_factor: Some(0.25),
        ..AutoencoderConfig::new(vec![32])
    };
    let latents = Tensor::<4>::full([1, 1, 1, 1], 1.25, &device);
    let seen = shifted.scaled(latents);
    assert_eq!(seen.clone().into_scalar::<f32>(), 2.0);
    assert_eq!(shifted.unscaled(seen).into_scalar::<f32>(), 1.25);
}

#[test]
fn what_cannot_be_built_is_refused() {
    let parse = |change: &str| {
        let text = format!(
            r#"{{"block_out_channels": [8, 16], "norm_num_groups": 4,
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"] {change}}}"#
        );
        serde_json::from_str::<AutoencoderConfig>(&text)
            .unwrap()
            .validate()
    };
    assert_eq!(parse(""), Ok(()));
    let field = |change| match parse(change) {
        Err(AutoencoderConfigError::Unsupported { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(parse(r#", "shift_factor": 0.1"#), Ok(()));
    let endless = AutoencoderConfig {
        shift_factor: Some(f64::INFINITY),
        ..AutoencoderConfig::new(vec![32])
    };
    assert!(endless.validate().is_err());
    assert_eq!(field(r#", "act_fn": "relu""#), "act_fn");
    assert_eq!(field(r#", "latents_mean": [0.5]"#), "latents_mean");
    assert_eq!(field(r#", "latent_channels": 0"#), "latent_channels");
    let groups = AutoencoderConfig {
        norm_num_groups: 3,
        ..AutoencoderConfig::new(vec![8])
    };
    assert_eq!(
        groups.validate(),
        Err(AutoencoderConfigError::Groups {
            channels: 8,
            groups: 3
        })
    );
    let levels = AutoencoderConfig {
        up_block_types: vec![],
        ..AutoencoderConfig::new(vec![32])
    };
    assert!(matches!(
        levels.validate(),
        Err(AutoencoderConfigError::Levels { up: 0, .. })
    ));
}
