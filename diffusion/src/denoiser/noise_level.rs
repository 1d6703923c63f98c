//! Where on its way from noise to data a latent is.

/// A noise level: latents are `signal * x_0 + noise * e`.
///
/// On a variance-preserving path the squares of the two factors add up to 1; on the straight path of a
/// rectified flow the factors themselves do. A denoiser that is told a timestep reads that; guidance and
/// closed forms read the factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel {
    /// The timestep as the training counts them, between two of them for some samplers.
    pub timestep: f64,
    /// The factor of the original.
    pub signal: f64,
    /// The factor of the noise.
    pub noise: f64,
}

impl NoiseLevel {
    /// A level of a variance-preserving path, whose share of signal variance is `alpha_cumprod`.
    pub fn variance_preserving(timestep: f64, alpha_cumprod: f64) -> Self {
        Self {
            timestep,
            signal: alpha_cumprod.sqrt(),
            noise: (1.0 - alpha_cumprod).sqrt(),
        }
    }

    /// A level of a rectified flow, `(1 - sigma) x_0 + sigma e`.
    pub fn flow(timestep: f64, sigma: f64) -> Self {
        Self {
            timestep,
            signal: 1.0 - sigma,
            noise: sigma,
        }
    }

    /// The share of the signal in the variance of latents whose elements have variance 1.
    pub fn signal_share(&self) -> f64 {
        let (signal, noise) = (self.signal * self.signal, self.noise * self.noise);
        signal / (signal + noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_give_the_factors_of_their_formula() {
        let preserving = NoiseLevel::variance_preserving(500.0, 0.36);
        assert!((preserving.signal - 0.6).abs() < 1e-15 && (preserving.noise - 0.8).abs() < 1e-15);
        assert!((preserving.signal_share() - 0.36).abs() < 1e-15);
        let flow = NoiseLevel::flow(250.0, 0.25);
        assert_eq!((flow.signal, flow.noise), (0.75, 0.25));
        assert!((flow.signal_share() - 0.9).abs() < 1e-15);
    }
}
