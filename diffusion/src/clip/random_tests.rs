//! Random configurations against transformers, made by `tools/goldens/export_random.py`.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{ClipTextConfig, ClipTextModel, TEXT_MODEL_NAMES};
use crate::nn::weights::golden::check_random_cases;

/// Six times the largest error of 60 configurations, 1.6e-6.
const TOLERANCE: f64 = 1e-5;

#[test]
fn random_configurations_equal_transformers() {
    let device = Device::flex();
    check_random_cases("clip", TOLERANCE, |case| {
        let config: ClipTextConfig = serde_json::from_value(case.config.clone()).unwrap();
        let model = case.fill(ClipTextModel::new(&config, &device).unwrap(), &TEXT_MODEL_NAMES);
        let ids: Vec<Vec<i32>> = case.numbers("ids");
        let shape = [ids.len(), ids[0].len()];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids.concat(), shape), &device);
        let output = model.forward(ids.clone());
        let pooled = model.pooled(ids, output.last_hidden_state.clone());
        vec![
            ("last", output.last_hidden_state.unsqueeze()),
            ("penultimate", output.penultimate.unsqueeze()),
            ("pooled", pooled.unsqueeze()),
        ]
    });
}
