use burn::tensor::{DType, Tensor};

use super::model::UNet2DConditionModel;
use crate::guidance::Denoiser;

impl Denoiser for UNet2DConditionModel {
    fn predict(&self, latents: &Tensor<4>, timestep: usize, context: &Tensor<3>) -> Tensor<4> {
        let dtype = self.conv_in.weight.val().dtype();
        let timesteps = Tensor::full(
            [latents.dims()[0]],
            timestep as f32,
            (&latents.device(), DType::F32),
        );
        self.forward(
            latents.clone().cast(dtype),
            timesteps,
            context.clone().cast(dtype),
        )
    }
}
