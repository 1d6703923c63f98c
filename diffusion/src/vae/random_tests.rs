//! Random configurations against diffusers, made by `tools/goldens/export_random.py`.

use burn::tensor::Device;

use super::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL, Pieces, Slicing, Tiling};
use crate::nn::weights::golden::check_random_cases;

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

#[test]
fn tiles_and_slices_equal_those_of_diffusers() {
    let device = Device::flex();
    let pieces = Pieces {
        tiling: Tiling::Always,
        slicing: Slicing::Always,
    };
    check_random_cases("tiling", TOLERANCE, |case| {
        let config: AutoencoderConfig = serde_json::from_value(case.config.clone()).unwrap();
        let model = case.fill(AutoencoderKL::new(&config, &device).unwrap(), &AUTOENCODER_NAMES);
        let image = case.input("image", &device);
        let latent = case.input("latent", &device);
        // Small images are never cut unless that is asked for.
        let whole = model.decode(latent.clone());
        assert_eq!(
            model.decode_in(latent.clone(), Pieces::LARGE).into_data(),
            whole.clone().into_data()
        );
        let (mean, logvar) = model.encode_in(image, pieces);
        let decoded = model.decode_in(latent, pieces);
        assert!((decoded.clone() - whole).abs().max().into_scalar::<f32>() > 1e-3);
        vec![("mean", mean), ("logvar", logvar), ("decoded", decoded)]
    });
}
