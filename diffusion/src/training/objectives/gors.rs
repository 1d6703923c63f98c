//! Generative model fine-tuning with reward-driven sample selection (Huang et al. 2023, arXiv 2307.06350).

use burn::tensor::Tensor;

use super::item_errors::item_errors;
use crate::training::batch::WeightedBatch;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Lines of T2I-CompBench's prompt lists before this are made from templates, the rest is natural language.
const TEMPLATE_LINES: usize = 560;

/// GORS: the denoising loss of each item times its reward.
///
/// The paper writes a squared norm, the code has a mean over elements; neither divides by the sum of rewards. Selection
/// by [`RewardThresholds`] comes before: it is a matter of the items, not of the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gors;

impl<M: TrainableDenoiser> Objective<M> for Gors {
    type Batch = WeightedBatch<M::Conditioning>;
    type Reference = ();

    fn evaluate(&self, denoiser: &M, (): &(), batch: Self::Batch) -> ObjectiveValue {
        let prediction = batch.items.predict(denoiser);
        gors_loss(prediction, batch.items.noised.target, batch.weights).into()
    }
}

/// Mean over items of reward times mean squared error.
///
/// # Shapes
/// - prediction and target: `[batch, channels, height, width]`; rewards: `[batch]`; output: one element
pub fn gors_loss(prediction: Tensor<4>, target: Tensor<4>, rewards: Tensor<1>) -> Tensor<1> {
    let errors = item_errors(prediction, target);
    let rewards = rewards.detach().cast(errors.dtype());
    (errors * rewards).mean()
}

/// The rewards above which an image is trained on, as T2I-CompBench's code has them for each of its categories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardThresholds {
    /// For prompts made from templates.
    pub template: f64,
    /// For prompts in natural language.
    pub natural: f64,
}

impl RewardThresholds {
    /// Colors, by BLIP-VQA.
    pub const COLOR: Self = Self::new(0.92, 0.7);
    /// Shapes, by BLIP-VQA.
    pub const SHAPE: Self = Self::new(0.85, 0.6);
    /// Textures, by BLIP-VQA.
    pub const TEXTURE: Self = Self::new(0.9, 0.65);
    /// Positions, by UniDet.
    pub const SPATIAL: Self = Self::new(0.8, 0.8);
    /// Other relations, by CLIPScore.
    pub const NON_SPATIAL: Self = Self::new(0.75, 0.75);
    /// Several at once, by the mean of three.
    pub const COMPLEX: Self = Self::new(0.4, 0.4);

    const fn new(template: f64, natural: f64) -> Self {
        Self { template, natural }
    }

    /// Whether an image of the prompt on this line of the category's list, counted from 0, is trained on.
    pub fn keeps(self, line: usize, reward: f64) -> bool {
        let threshold = match line < TEMPLATE_LINES {
            true => self.template,
            false => self.natural,
        };
        reward > threshold
    }
}
