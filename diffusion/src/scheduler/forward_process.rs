//! The forward process: noising clean latents, and what the network should answer.

use burn::tensor::{Tensor, TensorData};

use crate::prediction::PredictionType;
use crate::schedule::{NoiseSchedule, ScheduleError};

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
    let factors = timesteps
        .iter()
        .map(|&t| schedule.noising(t).map(|f| (f.original, f.noise)))
        .collect::<Result<Vec<_>, _>>()?;
    combine(original, noise, &factors)
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
            let factors = timesteps
                .iter()
                .map(|&t| {
                    let target = prediction.target(schedule.alpha_cumprod(t)?);
                    Ok((target.original, target.noise))
                })
                .collect::<Result<Vec<_>, _>>()?;
            combine(original, noise, &factors)
        }
    }
}

fn combine<const D: usize>(
    original: Tensor<D>,
    noise: Tensor<D>,
    factors: &[(f64, f64)],
) -> Result<Tensor<D>, ScheduleError> {
    let batch = original.dims()[0];
    if factors.len() != batch {
        return Err(ScheduleError::Batch {
            timesteps: factors.len(),
            batch,
        });
    }
    let (device, dtype) = (original.device(), original.dtype());
    let mut shape = [1; D];
    shape[0] = batch;
    let column = |values: Vec<f32>| Tensor::<D>::from_data(TensorData::new(values, shape), (&device, dtype));
    let of_original = column(factors.iter().map(|f| f.0 as f32).collect());
    let of_noise = column(factors.iter().map(|f| f.1 as f32).collect());
    Ok(original * of_original + noise * of_noise)
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
