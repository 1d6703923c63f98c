//! Random configurations against diffusers, made by `tools/goldens/export_random.py`.

use burn::tensor::{Device, Tensor, TensorData};

use super::NAMES;
use crate::conditioning::{AddedConditioning, Conditioning};
use crate::nn::weights::golden::check_random_cases;
use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};

/// Three times the largest error of 60 configurations, case 25: norms over three features amplify
/// rounding there, and PyTorch's own f32 is 6e-6 away from its f64.
const TOLERANCE: f64 = 5e-5;

#[test]
fn random_configurations_equal_diffusers() {
    let device = Device::flex();
    check_random_cases("unet", TOLERANCE, |case| {
        let config: UNet2DConditionConfig = serde_json::from_value(case.config.clone()).unwrap();
        let model = case.fill(UNet2DConditionModel::new(&config, &device), &NAMES);
        let sample: Tensor<4> = case.input("sample", &device);
        let batch = sample.dims()[0];
        let times: Vec<f32> = case.numbers("timesteps");
        let times = Tensor::<1>::from_data(TensorData::new(times, [batch]), &device);
        let added = config.addition.map(|addition| {
            let sizes: Vec<Vec<f32>> = case.numbers("time_ids");
            let shape = [batch, addition.text_features()];
            AddedConditioning {
                text_embeds: crate::nn::weights::seeded_input(case.seed, "text_embeds", shape, &device),
                time_ids: Some(Tensor::from_data(
                    TensorData::new(sizes.concat(), [batch, 6]),
                    &device,
                )),
            }
        });
        let conditioning = Conditioning {
            context: case.input("context", &device),
            value_context: None,
            key_contexts: None,
            added,
        };
        vec![("output", model.forward(sample, times, conditioning))]
    });
}
