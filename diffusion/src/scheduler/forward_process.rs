//! The forward process: noising clean latents, and what the network should answer.

use burn::tensor::{DType, Tensor, TensorData};

use crate::prediction::PredictionType;
use crate::schedule::{NoiseSchedule, Noising, ScheduleError};

/// Noises latents, each at its own timestep: `sqrt(a) x_0 + sqrt(1 - a) e` (Ho et al. 2020,
/// equation 4).
///
/// # Shapes
/// `original` and `noise` are `[batch, ...]`; `timesteps` has `batch` entries.
///
/// # Errors
/// Fails when a timestep is outside the schedule or there is not one per latent.
pub fn add_noise<const D: usize>(
    schedule: &NoiseSchedule,
    original: Tensor<D>,
    noise: Tensor<D>,
    timesteps: &[usize],
) -> Result<Tensor<D>, ScheduleError> {
    let [signal, deviation] = factors(schedule, &original, timesteps)?;
    Ok(original * signal + noise * deviation)
}

/// Returns what a network of the given kind should output for latents noised at `timesteps`.
///
/// # Shapes
/// As for [`add_noise`].
///
/// # Errors
/// As for [`add_noise`].
pub fn training_target<const D: usize>(
    schedule: &NoiseSchedule,
    prediction: PredictionType,
    original: Tensor<D>,
    noise: Tensor<D>,
    timesteps: &[usize],
) -> Result<Tensor<D>, ScheduleError> {
    match prediction {
        PredictionType::Epsilon => Ok(noise),
        PredictionType::Sample => Ok(original),
        PredictionType::VPrediction => {
            let [signal, deviation] = factors(schedule, &original, timesteps)?;
            Ok(noise * signal - original * deviation)
        }
    }
}

/// Factors of signal and noise at each timestep, which broadcast over the latents.
fn factors<const D: usize>(
    schedule: &NoiseSchedule,
    latents: &Tensor<D>,
    timesteps: &[usize],
) -> Result<[Tensor<D>; 2], ScheduleError> {
    let batch = latents.dims()[0];
    let noisings = timesteps
        .iter()
        .map(|&timestep| schedule.noising(timestep))
        .collect::<Result<Vec<Noising>, _>>()?;
    if noisings.len() != batch {
        return Err(ScheduleError::Batch {
            timesteps: noisings.len(),
            batch,
        });
    }
    let (device, dtype) = (latents.device(), latents.dtype());
    let mut shape = [1; D];
    shape[0] = batch;
    let column = |factor: fn(&Noising) -> f64| {
        let values: Vec<f32> = noisings.iter().map(|noising| factor(noising) as f32).collect();
        Tensor::<D>::from_data(TensorData::new(values, shape), (&device, DType::F32)).cast(dtype)
    };
    Ok([
        column(|noising| noising.original),
        column(|noising| noising.noise),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::SchedulerConfig;
    use burn::tensor::Device;

    #[test]
    fn each_latent_gets_its_own_noise_level() {
        let device = Device::flex();
        let schedule = SchedulerConfig::stable_diffusion().schedule().unwrap();
        let original = [[1.0_f32, -0.5], [0.25, 2.0], [-1.5, 0.75]];
        let noise = [[0.3_f32, -1.2], [0.9, 0.1], [-0.4, 1.6]];
        let timesteps = [0, 500, 999];
        let tensor = |rows| Tensor::<2>::from_floats(rows, &device);
        let noisy = add_noise(&schedule, tensor(original), tensor(noise), &timesteps).unwrap();
        let noisy: Vec<f32> = noisy.try_into_vec_as().unwrap();
        for kind in [
            PredictionType::Epsilon,
            PredictionType::VPrediction,
            PredictionType::Sample,
        ] {
            let target =
                training_target(&schedule, kind, tensor(original), tensor(noise), &timesteps).unwrap();
            let target: Vec<f32> = target.try_into_vec_as().unwrap();
            for row in 0..3 {
                let a = schedule.alpha_cumprod(timesteps[row]).unwrap();
                for column in 0..2 {
                    let i = row * 2 + column;
                    let (z, out) = (f64::from(noisy[i]), f64::from(target[i]));
                    let (x, e) = (original[row][column], noise[row][column]);
                    let expected = a.sqrt() * f64::from(x) + (1.0 - a).sqrt() * f64::from(e);
                    assert!((z - expected).abs() < 1e-6);
                    let back = kind.original(a).apply_scalar(z, out);
                    assert!((back - f64::from(x)).abs() < 1e-4, "{kind:?} {back} {x}");
                }
            }
        }
    }

    #[test]
    fn one_timestep_per_latent_is_required() {
        let device = Device::flex();
        let schedule = SchedulerConfig::stable_diffusion().schedule().unwrap();
        let zeros = || Tensor::<2>::zeros([2, 3], &device);
        assert!(add_noise(&schedule, zeros(), zeros(), &[1]).is_err());
        assert!(add_noise(&schedule, zeros(), zeros(), &[1, 1000]).is_err());
    }
}
