use burn::tensor::{DType, Tensor, TensorData};

use super::trainable_denoiser::TrainableDenoiser;
use crate::prediction::PredictionType;
use crate::schedule::{NoiseSchedule, ScheduleError};
use crate::scheduler::{add_noise, training_target};

/// What a denoiser is trained on: noisy latents, and the output it should give for them.
#[derive(Debug, Clone)]
pub struct DenoisingBatch {
    /// `sqrt(a) x_0 + sqrt(1 - a) e`, `[batch, channels, height, width]`.
    pub noisy: Tensor<4>,
    /// What the network should output, same shape.
    pub target: Tensor<4>,
    /// Timestep of each sample as the network takes it, `[batch]`, f32.
    pub timesteps: Tensor<1>,
}

impl DenoisingBatch {
    /// Noises `latents` to the given timesteps, one per sample.
    ///
    /// The target is the noise, the velocity or the latents, as `prediction` says.
    ///
    /// # Shapes
    /// - latents and noise: `[batch, channels, height, width]`, with `batch` timesteps
    ///
    /// # Errors
    /// A timestep outside the schedule.
    ///
    /// # Panics
    /// The shapes of `latents` and `noise` differ, or not every sample has a timestep.
    pub fn new(
        latents: Tensor<4>,
        noise: Tensor<4>,
        timesteps: &[usize],
        schedule: &NoiseSchedule,
        prediction: PredictionType,
    ) -> Result<Self, ScheduleError> {
        let [batch, ..] = latents.dims();
        assert_eq!(
            latents.dims(),
            noise.dims(),
            "latents and noise must have one shape"
        );
        assert_eq!(batch, timesteps.len(), "every sample needs a timestep");
        let device = latents.device();
        let noisy = add_noise(schedule, latents.clone(), noise.clone(), timesteps)?;
        let target = training_target(schedule, prediction, latents, noise, timesteps)?;
        let timesteps = timesteps.iter().map(|timestep| *timestep as f32).collect();
        let timesteps = Tensor::from_data(TensorData::new(timesteps, [batch]), (&device, DType::F32));
        Ok(Self {
            noisy,
            target,
            timesteps,
        })
    }

    /// What a denoiser predicts for this batch.
    pub fn predict<M: TrainableDenoiser>(&self, denoiser: &M, conditioning: M::Conditioning) -> Tensor<4> {
        denoiser.predict_each(self.noisy.clone(), self.timesteps.clone(), conditioning)
    }

    /// Loss of a prediction for this batch.
    pub fn loss(&self, prediction: Tensor<4>) -> Tensor<1> {
        mean_squared_error(prediction, self.target.clone())
    }

    /// Mean squared error of each sample alone, for objectives that weigh or compare samples.
    ///
    /// # Shapes
    /// - prediction: `[batch, channels, height, width]`, output: `[batch]` in f32
    pub fn errors(&self, prediction: Tensor<4>) -> Tensor<1> {
        let [batch, ..] = prediction.dims();
        let squares = (prediction.cast(DType::F32) - self.target.clone().cast(DType::F32)).square();
        let rows: Tensor<2> = squares.flatten(1, 3);
        rows.mean_dim(1).reshape([batch])
    }
}

/// Mean over all elements of the squared difference, taken in f32.
///
/// # Shapes
/// - prediction and target: any, equal; output: one element
pub fn mean_squared_error<const D: usize>(prediction: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    (prediction.cast(DType::F32) - target.cast(DType::F32))
        .square()
        .mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const ALPHAS: [f64; 3] = [0.9, 0.9 * 0.5, 0.9 * 0.5 * 0.2];

    fn schedule() -> NoiseSchedule {
        NoiseSchedule::from_betas(vec![0.1, 0.5, 0.8]).unwrap()
    }

    fn tensor(values: &[f32], device: &Device) -> Tensor<4> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [2, 1, 1, 2]),
            (device, DType::F32),
        )
    }

    #[test]
    fn each_sample_is_noised_to_its_own_timestep() {
        let device = Device::flex();
        let x = [0.5, -1.0, 2.0, 0.25];
        let e = [1.5, 0.75, -0.5, -2.0];
        for prediction in [
            PredictionType::Epsilon,
            PredictionType::VPrediction,
            PredictionType::Sample,
        ] {
            let (latents, noise) = (tensor(&x, &device), tensor(&e, &device));
            let batch = DenoisingBatch::new(latents, noise, &[2, 0], &schedule(), prediction).unwrap();
            let noisy: Vec<f32> = batch.noisy.try_into_vec_as().unwrap();
            let target: Vec<f32> = batch.target.try_into_vec_as().unwrap();
            for i in 0..4 {
                let a = ALPHAS[[2, 0][i / 2]];
                let (x, e) = (f64::from(x[i]), f64::from(e[i]));
                let z = a.sqrt() * x + (1.0 - a).sqrt() * e;
                let expected = prediction.target(a);
                let expected = expected.original * x + expected.noise * e;
                assert!((f64::from(noisy[i]) - z).abs() < 1e-6);
                assert!((f64::from(target[i]) - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn loss_is_the_mean_over_batch_and_elements() {
        let device = Device::flex();
        let (x, e) = (tensor(&[0.0; 4], &device), tensor(&[1.0, 2.0, 3.0, 4.0], &device));
        let batch = DenoisingBatch::new(x.clone(), e, &[0, 1], &schedule(), PredictionType::Epsilon).unwrap();
        assert_eq!(batch.loss(x).into_scalar::<f32>(), 7.5);
    }

    #[test]
    fn errors_are_the_means_of_each_sample() {
        let device = Device::flex();
        let (x, e) = (tensor(&[0.0; 4], &device), tensor(&[1.0, 2.0, 3.0, 4.0], &device));
        let batch = DenoisingBatch::new(x.clone(), e, &[0, 1], &schedule(), PredictionType::Epsilon).unwrap();
        assert_eq!(batch.errors(x).try_into_vec_as::<f32>().unwrap(), [2.5, 12.5]);
    }

    #[test]
    fn a_timestep_outside_the_schedule_is_an_error() {
        let device = Device::flex();
        let (x, e) = (tensor(&[0.0; 4], &device), tensor(&[0.0; 4], &device));
        assert!(DenoisingBatch::new(x, e, &[0, 3], &schedule(), PredictionType::Epsilon).is_err());
    }
}
