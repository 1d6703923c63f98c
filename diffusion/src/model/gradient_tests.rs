//! Gradients of every weight, through denoiser and text encoder together, against PyTorch.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Gradients, Tensor};

use super::ModelDirectory;
use super::directory::UNET_NAMES;
use crate::clip::TEXT_MODEL_NAMES;
use crate::nn::weights::{NameTable, TensorMap, golden, module_tensors};
use crate::training::train_only;

/// Puts a parameter's gradient in the parameter's place.
struct Replace<'a>(&'a mut Gradients);

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = param.val().grad_remove(self.0);
        Param::from_tensor(gradient.unwrap_or_else(|| param.val().inner().zeros_like()))
    }
}

fn worst_error<M: Module>(
    module: M,
    names: &NameTable<'_>,
    part: &str,
    gradients: &mut Gradients,
    expected: &TensorMap,
) -> f64 {
    let found = module_tensors(&module.map(&mut Replace(gradients)), names);
    let mut worst = 0.0_f64;
    for (name, tensor) in &found {
        let short = name.strip_prefix("text_model.").unwrap_or(name);
        let golden = &expected[&format!("{part}.{short}")];
        let (found, golden) = (tensor.to_f32().unwrap(), golden.to_f32().unwrap());
        assert_eq!(found.len(), golden.len(), "{name}");
        let length: f64 = golden.iter().map(|value| f64::from(*value).powi(2)).sum();
        let distance: f64 = found
            .iter()
            .zip(&golden)
            .map(|(found, golden)| (f64::from(*found) - f64::from(*golden)).powi(2))
            .sum();
        // A key's bias moves every logit of a row alike, so that its true gradient is zero.
        if name.ends_with("k_proj.bias") {
            assert!(distance.sqrt() < 1e-7, "{name}: {distance}");
            continue;
        }
        let error = (distance / length).sqrt();
        assert!(error < 1e-4, "{part}.{name}: {error}");
        worst = worst.max(error);
    }
    let parts = expected
        .keys()
        .filter(|name| name.starts_with(&format!("{part}.")))
        .count();
    assert_eq!(found.len(), parts);
    worst
}

/// `tests/golden/model/gradients.safetensors` is written by PyTorch.
#[test]
fn every_weight_gets_the_gradient_of_pytorch() {
    let device = Device::flex().autodiff();
    let directory = ModelDirectory::open(&golden::path("model")).unwrap();
    let model = directory.load(&Device::flex(), FloatDType::F32).unwrap();
    let expected = golden::tensors("model/gradients.safetensors");
    let inputs = golden::tensors("model/golden.safetensors");
    let unet = train_only(model.network, |_| true);
    let text_encoder = train_only(model.text_encoder, |_| true);
    let ids: Vec<Vec<i64>> = ["a red circle and a blue square", ""]
        .iter()
        .map(|prompt| model.tokenizer.encode(prompt).unwrap().ids)
        .map(|ids| ids.into_iter().map(i64::from).collect())
        .collect();
    let shape = [ids.len(), ids[0].len()];
    let ids = Tensor::from_data(burn::tensor::TensorData::new(ids.concat(), shape), &device);
    let context = text_encoder.forward(ids).last_hidden_state;
    let latents = golden::tensor::<4>(&inputs, "latents", &device);
    let timesteps = Tensor::from_data([10.0, 900.0], &device);
    let target = golden::tensor::<4>(&expected, "target", &device);
    let loss = (unet.forward(latents, timesteps, context) - target)
        .square()
        .mean();
    let value: f32 = loss.clone().into_scalar();
    let golden_loss = expected["loss"].to_f32().unwrap()[0];
    assert!((value / golden_loss - 1.0).abs() < 1e-5, "{value} {golden_loss}");
    let mut gradients = loss.backward();
    let worst = [
        worst_error(unet, &UNET_NAMES, "unet", &mut gradients, &expected),
        worst_error(
            text_encoder,
            &TEXT_MODEL_NAMES,
            "text_encoder",
            &mut gradients,
            &expected,
        ),
    ];
    println!("model: largest relative errors of a gradient {worst:?}");
}
