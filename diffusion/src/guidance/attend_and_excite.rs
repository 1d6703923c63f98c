//! Attend-and-Excite: latents that make every subject of a prompt attended to somewhere.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attention_peaks::{Neglect, Subjects};
use crate::conditioning::Conditioning;
use crate::denoiser::{AttentionKind, AttentionRequest, Denoiser, DenoiserError, DenoiserInput, NoiseLevel};
use crate::sampler::{LatentSteering, StepPlace};

/// How latents are moved. The defaults are those of the authors' code at 50 steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttendAndExciteSettings {
    /// How far a latent moves along the gradient. By default, 20.
    pub scale: f64,
    /// What falls evenly from the first evaluation to the last; its root is a factor of `scale`. By default, [1, 0.5].
    pub scale_range: [f64; 2],
    /// The share of the run in which each evaluation begins with a movement. By default, 0.5.
    pub guided_share: f64,
    /// Where movements are repeated until the subjects are attended to. By default, at 0, 0.2 and 0.4 of the run to an
    /// attention of 0.05, 0.5 and 0.8. Of several at one evaluation the last counts.
    pub thresholds: Vec<AttentionThreshold>,
    /// The most repetitions at a threshold. By default, 20.
    pub refinements: usize,
    /// The deviation of the kernel that smooths attention, 0 for none. By default, 0.5.
    pub smoothing: f64,
    /// Positions of the latent to one of the attention that is looked at, along each side. By default, 4: the maps of
    /// 16 x 16 of a latent of 64 x 64.
    pub attention_ratio: usize,
    /// Whether the prompt's words alone share the attention. By default, true, as the authors do for Stable Diffusion
    /// 2.1; otherwise the end token and all but the last position after it have a part too, as for 1.4.
    pub normalised_end: bool,
}

/// What attention the subjects must have reached at some place of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionThreshold {
    /// The share of the run before it, from 0 to less than 1.
    pub after: f64,
    /// The attention, from 0 to 1.
    pub attention: f64,
}

impl Default for AttendAndExciteSettings {
    fn default() -> Self {
        let thresholds = [(0.0, 0.05), (0.2, 0.5), (0.4, 0.8)];
        let threshold = |(after, attention)| AttentionThreshold { after, attention };
        Self {
            scale: 20.0,
            scale_range: [1.0, 0.5],
            guided_share: 0.5,
            thresholds: thresholds.map(threshold).to_vec(),
            refinements: 20,
            smoothing: 0.5,
            attention_ratio: 4,
            normalised_end: true,
        }
    }
}

impl AttendAndExciteSettings {
    /// Counts the passes through the denoiser, each with a gradient, that one latent surely costs in a run.
    pub fn least_evaluations(&self, total: usize) -> usize {
        let asks = |index: &usize| self.movement(StepPlace { index: *index, total }).is_some();
        (0..total).filter(asks).count()
    }

    /// Counts those that one latent costs at most: where no threshold is reached.
    pub fn most_evaluations(&self, total: usize) -> usize {
        let movements = (0..total).filter_map(|index| self.movement(StepPlace { index, total }));
        let of_one = |movement: Movement| match movement.target {
            Some(_) => 1 + self.refinements,
            None => 1,
        };
        movements.map(of_one).sum()
    }

    /// What is done at a place of a run, if anything is.
    fn movement(&self, place: StepPlace) -> Option<Movement> {
        let [first, last] = self.scale_range;
        let passed = place.index as f64 / (place.total.max(2) - 1) as f64;
        let step = self.scale * (first + (last - first) * passed).sqrt();
        let here = |threshold: &&AttentionThreshold| evaluations(threshold.after, place.total) == place.index;
        let target = self.thresholds.iter().rfind(here);
        let movement = Movement {
            step,
            target: target.map(|threshold| (1.0 - threshold.attention).max(0.0)),
            guided: place.index < evaluations(self.guided_share, place.total),
        };
        let moves = movement.guided || movement.target.is_some();
        (moves && step != 0.0).then_some(movement)
    }
}

/// The whole evaluations in a share of a run; the tiny addition takes back the rounding of shares such as 0.29.
fn evaluations(share: f64, total: usize) -> usize {
    (share * total as f64 + 1e-9).floor() as usize
}

/// What happens to a latent before an evaluation.
#[derive(Debug, Clone, Copy)]
struct Movement {
    /// How far one movement goes along the gradient.
    step: f64,
    /// The loss above which movements are repeated.
    target: Option<f64>,
    /// Whether there is a movement whatever the loss is.
    guided: bool,
}

/// Moves latents so that the subject of a prompt that is attended to least is attended to more
/// (Attend-and-Excite, arXiv 2301.13826).
///
/// The loss looks at the denoiser's answer with the prompt alone; whoever guides asks again at the moved latents. Each
/// latent has its own loss, thresholds and repetitions and is asked about alone, so that none depends on its company.
/// The denoiser has to hold its weights on a device that records gradients.
///
/// Repetitions are those of the authors' code, which compares the loss as it was before a movement: once the threshold
/// is reached there is one movement more, and then that of a guided evaluation.
pub struct AttendAndExcite<'a> {
    denoiser: &'a dyn Denoiser,
    settings: AttendAndExciteSettings,
    subjects: Vec<usize>,
    last: usize,
}

impl<'a> AttendAndExcite<'a> {
    /// Excites the tokens of one prompt, that of all latents of a batch.
    ///
    /// `subjects` are positions of tokens, where 0 is the start token, and `last` is that of the end token. Subjects
    /// among the tokens that have no part in the attention are left out, and without any the latents stay as they are.
    pub fn new(
        denoiser: &'a dyn Denoiser,
        settings: AttendAndExciteSettings,
        subjects: Vec<usize>,
        last: usize,
    ) -> Self {
        Self {
            denoiser,
            settings,
            subjects,
            last,
        }
    }

    /// The first position that has no part in the softmax over `tokens`.
    fn end(&self, tokens: usize) -> usize {
        match self.settings.normalised_end {
            true => self.last.min(tokens),
            false => tokens.saturating_sub(1),
        }
    }

    fn moved(
        &self,
        movement: Movement,
        asked: &Asked<'_>,
        latent: Tensor<4>,
    ) -> Result<Tensor<4>, DenoiserError> {
        let mut seen = self.look(asked, latent)?;
        if let Some(target) = movement.target.filter(|target| seen.neglect.loss > *target) {
            for _ in 0..self.settings.refinements {
                let reached = seen.neglect.loss <= target;
                seen = self.look(asked, seen.moved(movement.step)?)?;
                if reached {
                    break;
                }
            }
        }
        match movement.guided {
            true => seen.moved(movement.step),
            false => Ok(seen.latent.inner()),
        }
    }

    /// Asks the denoiser about one latent.
    fn look(&self, asked: &Asked<'_>, latent: Tensor<4>) -> Result<Seen, DenoiserError> {
        let latent = latent.autodiff().detach().require_grad();
        let [_, _, height, width] = latent.dims();
        let size = [height, width].map(|side| side.div_ceil(self.settings.attention_ratio.max(1)));
        let request = AttentionRequest::of(&[AttentionKind::CrossAttention]).at(&[size]);
        let output = self.denoiser.denoise(&DenoiserInput {
            attention_maps: Some(&request),
            ..DenoiserInput::new(&latent, asked.level, &asked.conditioning)
        })?;
        let maps = output.attention_maps.ok_or(DenoiserError::NoAttentionMaps)?;
        let neglect = asked.subjects.most_neglected(&maps)?;
        Ok(Seen { latent, neglect })
    }
}

impl LatentSteering for AttendAndExcite<'_> {
    fn steer(
        &self,
        step: StepPlace,
        latents: Tensor<4>,
        level: NoiseLevel,
        conditioning: &Conditioning,
    ) -> Result<Tensor<4>, DenoiserError> {
        let end = self.end(conditioning.context.dims()[1]);
        let inside = |token: &usize| (1..end).contains(token);
        let tokens: Vec<usize> = self.subjects.iter().copied().filter(inside).collect();
        let Some(movement) = self.settings.movement(step).filter(|_| !tokens.is_empty()) else {
            return Ok(latents);
        };
        let subjects = Subjects {
            tokens: &tokens,
            end,
            smoothing: self.settings.smoothing,
        };
        let of_row = |row: usize| {
            let asked = Asked {
                level,
                conditioning: conditioning.clone().narrow(row, 1).autodiff(),
                subjects,
            };
            self.moved(movement, &asked, latents.clone().narrow(0, row, 1))
        };
        let moved = (0..latents.dims()[0])
            .map(of_row)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::cat(moved, 0))
    }
}

/// What the denoiser is asked about besides a latent.
struct Asked<'a> {
    level: NoiseLevel,
    conditioning: Conditioning,
    subjects: Subjects<'a>,
}

/// A latent and what the attention to it lacks.
struct Seen {
    latent: Tensor<4>,
    neglect: Neglect,
}

impl Seen {
    /// Moves the latent towards more attention, if any lacks.
    fn moved(self, step: f64) -> Result<Tensor<4>, DenoiserError> {
        if self.neglect.loss == 0.0 {
            return Ok(self.latent.inner());
        }
        if !self.neglect.objective.is_tracked() {
            return Err(DenoiserError::NoGradient);
        }
        let gradients = self.neglect.objective.backward();
        let gradient = self.latent.grad(&gradients).ok_or(DenoiserError::NoGradient)?;
        Ok(self.latent.inner() - gradient.mul_scalar(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn movement(index: usize, total: usize) -> Option<Movement> {
        AttendAndExciteSettings::default().movement(StepPlace { index, total })
    }

    #[test]
    fn movements_at_50_steps_are_those_of_the_authors() {
        for (index, step, target) in [(0, 20.0, 0.95), (10, 18.952_142, 0.5), (20, 17.842_851, 0.2)] {
            let found = movement(index, 50).unwrap();
            assert!(
                (found.step - step).abs() < 1e-4 && found.guided,
                "{index}: {found:?}"
            );
            assert!(
                (found.target.unwrap() - target).abs() < 1e-12,
                "{index}: {found:?}"
            );
        }
        let last = movement(24, 50).unwrap();
        assert!((last.step - 17.3793).abs() < 1e-4 && last.target.is_none());
        assert!(movement(25, 50).is_none());
        // PNDM evaluates once more, which moves no place.
        assert!(movement(24, 51).is_some() && movement(25, 51).is_none());
        assert!(movement(10, 51).unwrap().target.is_some() && movement(20, 51).unwrap().target.is_some());
        let still = AttendAndExciteSettings {
            scale: 0.0,
            ..AttendAndExciteSettings::default()
        };
        assert!(still.movement(StepPlace { index: 0, total: 50 }).is_none());
    }

    #[test]
    fn evaluations_are_counted_from_the_least_to_the_most() {
        let settings = AttendAndExciteSettings::default();
        assert_eq!(
            (settings.least_evaluations(50), settings.most_evaluations(50)),
            (25, 85)
        );
        let late = AttendAndExciteSettings {
            guided_share: 0.1,
            ..settings
        };
        assert_eq!((late.least_evaluations(50), late.most_evaluations(50)), (7, 67));
        assert_eq!((late.least_evaluations(1), late.most_evaluations(1)), (1, 21));
    }
}
