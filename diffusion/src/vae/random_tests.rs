//! Random configurations against diffusers, made by `tools/goldens/export_random.py`.

use burn::tensor::Device;

use super::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use crate::weights::golden::check_random_cases;

/// Four times the largest error of 60 configurations, 2.8e-6.
const TOLERANCE: f64 = 1e-5;

#[test]
fn random_configurations_equal_diffusers() {
    let device = Device::flex();
    check_random_cases("vae", TOLERANCE, |case| {
        let config: AutoencoderConfig = serde_json::from_value(case.config.clone()).unwrap();
        let model = case.fill(AutoencoderKL::new(&config, &device).unwrap(), &AUTOENCODER_NAMES);
        let (mean, logvar) = model.encode(case.input("image", &device));
        let decoded = model.decode(case.input("latent", &device));
        vec![("mean", mean), ("logvar", logvar), ("decoded", decoded)]
    });
}
