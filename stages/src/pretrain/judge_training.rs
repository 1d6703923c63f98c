//! One step of training the judge: images and captions that belong together against those that do not.

use burn::module::{Initializer, Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use mitune_diffusion::clip::ClipTextModel;
use mitune_diffusion::training::{Objective, ObjectiveValue};
use mitune_judges::clip::{ClipConfig, ClipVisionModel};

use super::judge_captions::FAULTS;
use crate::contract::StageError;
use crate::shapes::world::Prompt;

/// Cosines are first multiplied by `1 / 0.07` (Learning Transferable Visual Models, arXiv 2103.00020, section 2.5).
const FIRST_SCALE: f64 = 1.0 / 0.07;

/// What cosines are multiplied by at most, as there: beyond it a training becomes unstable.
const LARGEST_SCALE: f64 = 100.0;

/// Added to the cosine of a caption that is true of the image too and so is no negative; it leaves nothing of its
/// probability, and stays finite under any scale.
const NO_NEGATIVE: f32 = -1e4;

/// Both halves of a CLIP and the scale of their cosines, which learn together.
#[derive(Module, Debug)]
pub(super) struct ContrastiveClip {
    /// Looks at images.
    pub(super) vision: ClipVisionModel,
    /// Reads captions.
    pub(super) text: ClipTextModel,
    /// Logarithm of the factor of cosines.
    logit_scale: Param<Tensor<1>>,
}

/// The objective of CLIP with further negatives for each image.
///
/// The mean of two cross-entropies over cosines times the scale: of the caption given the image, among those of the
/// batch and the image's own faulty ones, and of the image given the caption, among those of the batch. Captions that
/// are true of an image by chance count for neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contrast;

/// Images with captions.
#[derive(Debug, Clone)]
pub(super) struct ContrastBatch {
    /// `[batch, height, width, 3]`, normalised.
    pub(super) images: Tensor<4>,
    /// Token ids, `[batch * (1 + faults), tokens]`: the true captions of all images, then the faulty ones of the first
    /// image, of the second, and so on.
    pub(super) ids: Tensor<2, Int>,
    /// What is added to the cosine of each image with each true caption, `[batch, batch]`.
    pub(super) shared: Tensor<2>,
}

impl ContrastiveClip {
    /// Builds both halves with random parameters.
    ///
    /// # Errors
    /// When the configuration is inconsistent.
    pub(super) fn new(config: &ClipConfig, device: &Device) -> Result<Self, StageError> {
        let scale = Initializer::Constant {
            value: FIRST_SCALE.ln(),
        };
        Ok(Self {
            vision: ClipVisionModel::new(config, device).map_err(StageError::configuration)?,
            text: ClipTextModel::new(&config.text, device).map_err(StageError::configuration)?,
            logit_scale: scale.init([1_usize], device),
        })
    }

    /// Logarithm of the factor of cosines, `[1]`; nothing above its limit is learned.
    pub(super) fn log_scale(&self) -> Tensor<1> {
        self.logit_scale.val().clamp_max(LARGEST_SCALE.ln())
    }

    /// Embeds captions, each with length 1.
    fn read(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let output = self.text.forward(ids.clone());
        of_length_one(self.text.pooled(ids, output.last_hidden_state))
    }
}

impl Objective<ContrastiveClip> for Contrast {
    type Batch = ContrastBatch;
    type Reference = ();

    fn evaluate(&self, clip: &ContrastiveClip, (): &(), batch: ContrastBatch) -> ObjectiveValue {
        let images = of_length_one(clip.vision.forward(batch.images));
        let captions = clip.read(batch.ids);
        let scale: Tensor<2> = clip.log_scale().exp().reshape([1_usize, 1]);
        contrast(images, captions, batch.shared, scale).into()
    }
}

/// Loss of embeddings of length 1, one element.
///
/// # Shapes
/// - images: `[batch, width]`
/// - captions: `[batch * (1 + faults), width]`, in the order of [`ContrastBatch`]
/// - shared: `[batch, batch]`, symmetric
/// - scale: `[1, 1]`
fn contrast(images: Tensor<2>, captions: Tensor<2>, shared: Tensor<2>, scale: Tensor<2>) -> Tensor<1> {
    let [batch, width] = images.dims();
    let [read, _] = captions.dims();
    let faults = read / batch - 1;
    let own = captions.clone().narrow(0, 0, batch);
    let faulty: Tensor<3> = captions
        .narrow(0, batch, read - batch)
        .reshape([batch, faults, width]);
    let beside: Tensor<3> = images.clone().reshape([batch, 1, width]);
    let faulty: Tensor<2> = (faulty * beside).sum_dim(2).reshape([batch, faults]);
    let right = (images.clone() * own.clone()).sum_dim(1);
    let others = images.matmul(own.transpose());
    // The right answer stands first, and is among those that `shared` takes away.
    let of_image = Tensor::cat(vec![right.clone(), others.clone() + shared.clone(), faulty], 1);
    let of_caption = Tensor::cat(vec![right, others.transpose() + shared], 1);
    (cross_entropy(of_image * scale.clone()) + cross_entropy(of_caption * scale)) * 0.5
}

/// Mean surprise at the first of each row.
fn cross_entropy(logits: Tensor<2>) -> Tensor<1> {
    -log_softmax(logits, 1).narrow(1, 0, 1).mean()
}

fn of_length_one(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().square().sum_dim(1).sqrt();
    rows / length
}

/// What is added to the cosines of a batch of images of these prompts with each other's captions.
///
/// A caption that names the same two objects, in whichever order, is no negative.
pub(super) fn shared_captions(prompts: &[Prompt], device: &Device) -> Tensor<2> {
    let size = prompts.len();
    let added = prompts.iter().flat_map(|shown| {
        prompts
            .iter()
            .map(move |named| match shown == named || *shown == named.reversed() {
                true => NO_NEGATIVE,
                false => 0.0,
            })
    });
    let added: Vec<f32> = added.collect();
    Tensor::from_data(TensorData::new(added, [size, size]), device)
}

/// Captions of a batch in the order of [`ContrastBatch`].
pub(super) fn in_order(prompts: &[Prompt], faulty: &[[Prompt; FAULTS]]) -> Vec<Prompt> {
    prompts.iter().chain(faulty.iter().flatten()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f32; 2]], device: &Device) -> Tensor<2> {
        let flat: Vec<f32> = values.iter().flatten().copied().collect();
        Tensor::from_data(TensorData::new(flat, [values.len(), 2]), device)
    }

    /// Cross-entropies worked out one by one.
    #[test]
    fn the_loss_is_the_mean_of_both_directions() {
        let device = Device::flex();
        let prompts: Vec<Prompt> = [
            "a red circle and a blue square",
            "a green cross and a blue square",
            "a blue square and a red circle",
        ]
        .map(|text| text.parse().unwrap())
        .to_vec();
        let unit = |angle: f32| [angle.cos(), angle.sin()];
        let (images, own) = ([0.1, 0.9, 2.0], [0.3, 1.4, -0.5]);
        let faulty = [1.0, -1.0, 0.4, 0.5, 2.5, 3.0];
        let scale = 3.0_f64;
        let captions: Vec<[f32; 2]> = own.iter().chain(&faulty).map(|angle| unit(*angle)).collect();
        let loss = contrast(
            rows(&images.map(unit), &device),
            rows(&captions, &device),
            shared_captions(&prompts, &device),
            Tensor::from_data([[scale as f32]], &device),
        );
        let weight = |image: usize, caption: f32| (scale * f64::from((images[image] - caption).cos())).exp();
        // The first and the third show the same.
        let negatives = [vec![1], vec![0, 2], vec![1]];
        let mut expected = 0.0;
        for (image, negatives) in negatives.iter().enumerate() {
            let right = weight(image, own[image]);
            let captions: f64 = negatives.iter().map(|&other| weight(image, own[other])).sum();
            let faults: f64 = faulty[2 * image..][..2]
                .iter()
                .map(|&fault| weight(image, fault))
                .sum();
            let images: f64 = negatives.iter().map(|&other| weight(other, own[image])).sum();
            expected += ((right + captions + faults) / right).ln() + ((right + images) / right).ln();
        }
        let loss = f64::from(loss.into_scalar::<f32>());
        assert!((loss - expected / 6.0).abs() < 1e-5, "{loss} {}", expected / 6.0);
    }

    #[test]
    fn captions_stand_in_the_order_of_their_images() {
        let all = Prompt::all();
        let (prompts, faulty) = (&all[..2], [[all[2]; FAULTS], [all[3]; FAULTS]]);
        let ordered = in_order(prompts, &faulty);
        assert_eq!(ordered.len(), 2 + 2 * FAULTS);
        assert_eq!(
            (ordered[1], ordered[2], ordered[2 + FAULTS]),
            (all[1], all[2], all[3])
        );
    }
}
