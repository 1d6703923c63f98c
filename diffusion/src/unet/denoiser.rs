use burn::tensor::{DType, Tensor};

use super::model::UNet2DConditionModel;
use crate::conditioning::Conditioning;
use crate::guidance::Denoiser;

impl Denoiser for UNet2DConditionModel {
    fn predict(&self, latents: &Tensor<4>, timestep: f64, conditioning: &Conditioning) -> Tensor<4> {
        let dtype = self.conv_in.weight.val().dtype();
        let timesteps = Tensor::full([latents.dims()[0]], timestep, (&latents.device(), DType::F32));
        self.forward(
            latents.clone().cast(dtype),
            timesteps,
            conditioning.clone().cast(dtype),
        )
    }
}
