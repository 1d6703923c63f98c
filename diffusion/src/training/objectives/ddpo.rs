//! DDPO: the steps of a sampler as the choices of a policy, improved by clipped policy gradients (Black et al. 2023,
//! arXiv 2305.13301).

use burn::tensor::Tensor;

use super::item_errors::widened;

/// Log-ratios are cut here, where the ratio is near the end of f32's range.
const LARGEST_LOG_RATIO: f64 = 80.0;

/// DDPO's loss with importance sampling, as in the authors' code: that of PPO.
///
/// Unlike DPOK it takes the larger of the two losses, with the ratio and with the clamped ratio: a step that became
/// worse than the clip allows is still pulled back. Nothing holds it near the pre-trained model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ddpo {
    /// How far from 1 the ratio of new to old probability may be. By default, 1e-4.
    pub clip: f64,
    /// The largest magnitude of an advantage. By default, 5, the paper's; the authors' code has 10 besides.
    pub largest_advantage: f64,
}

impl Default for Ddpo {
    fn default() -> Self {
        Self {
            clip: 1e-4,
            largest_advantage: 5.0,
        }
    }
}

impl Ddpo {
    /// `mean(max(-A r, -A clamp(r, 1 - clip, 1 + clip)))` with `r` the ratio of new to old probability, one element.
    ///
    /// Advantages and old log-probabilities are constants for the gradient.
    ///
    /// # Shapes
    /// - log-probabilities, new and old, and advantages: `[batch]`
    pub fn loss(
        &self,
        log_probabilities: Tensor<1>,
        old_log_probabilities: Tensor<1>,
        advantages: Tensor<1>,
    ) -> Tensor<1> {
        let new = widened(log_probabilities);
        let old = old_log_probabilities.detach().cast(new.dtype());
        let advantages = advantages.detach().cast(new.dtype());
        let advantages = advantages.clamp(-self.largest_advantage, self.largest_advantage);
        let ratios = (new - old).clamp_max(LARGEST_LOG_RATIO).exp();
        let clamped = ratios.clone().clamp(1.0 - self.clip, 1.0 + self.clip);
        let losses = [ratios, clamped].map(|ratios| ratios * advantages.clone() * -1.0);
        let [plain, clamped] = losses;
        plain.max_pair(clamped).mean()
    }
}
