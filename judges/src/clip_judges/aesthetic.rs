//! LAION's aesthetic ratings: a few linear layers on the embedding of an image.

use mitune_diffusion::nn::weights::TensorSource;

use super::affine_layers::AffineLayers;
use super::{ClipFiles, Execution, ImageEmbeddings, JudgeError, PairJudge};
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// The first predictor: one linear layer, trained on AVA and LAION's own ratings. Ratings lie about 1 to 10.
#[derive(Debug)]
pub struct AestheticV1(Rating);

/// The second predictor, also known as improved: five linear layers without activations, trained on SAC, logos and AVA.
#[derive(Debug)]
pub struct AestheticV2(Rating);

/// A rating of the direction of an embedding.
#[derive(Debug)]
struct Rating {
    images: ImageEmbeddings,
    head: AffineLayers,
}

impl AestheticV1 {
    /// Names of the head's file for ViT-L/14 and ViT-B/32.
    pub const HEADS: [&'static str; 2] = ["sa_0_4_vit_l_14_linear.pth", "sa_0_4_vit_b_32_linear.pth"];

    /// Loads the vision model from the files' tensors, and the head from its own.
    ///
    /// # Errors
    /// When the tensors do not fit.
    pub fn load(
        files: &ClipFiles,
        source: &dyn TensorSource,
        head: &dyn TensorSource,
        preprocessing: Preprocessing,
        execution: Execution,
    ) -> Result<Self, JudgeError> {
        let head = AffineLayers::load(head, &[""], files.config.projection_dim)?;
        let images = ImageEmbeddings::load(source, &files.config, preprocessing, execution)?;
        Ok(Self(Rating { images, head }))
    }

    /// How pictures are prepared: as openai/CLIP does.
    pub fn preprocessing(files: &ClipFiles) -> Preprocessing {
        Preprocessing::open_ai_clip(files.config.vision.image_size)
    }

    /// Rates pictures, which takes no prompts.
    ///
    /// # Errors
    /// When a picture cannot be prepared, or the network gives no number.
    pub fn rate(&self, pictures: &[&Picture]) -> Result<Vec<f64>, JudgeError> {
        self.0.rate(pictures)
    }
}

impl AestheticV2 {
    /// Names of the head's file.
    pub const HEADS: [&'static str; 1] = ["sac+logos+ava1-l14-linearMSE.pth"];

    /// Layers in the order in which they are applied; what lies between their numbers is dropout.
    const LAYERS: [&'static str; 5] = ["layers.0.", "layers.2.", "layers.4.", "layers.6.", "layers.7."];

    /// Loads the vision model from the files' tensors, and the head from its own.
    ///
    /// # Errors
    /// When the tensors do not fit, or the head is of the network with activations.
    pub fn load(
        files: &ClipFiles,
        source: &dyn TensorSource,
        head: &dyn TensorSource,
        preprocessing: Preprocessing,
        execution: Execution,
    ) -> Result<Self, JudgeError> {
        // `ava+logos-l14-reluMSE.pth` has the same shapes, under these names.
        if let Some(name) = ["layers.3.weight", "layers.9.weight", "layers.11.weight"]
            .into_iter()
            .find(|name| head.describe(name).is_some())
        {
            return Err(JudgeError::OtherWeights {
                origin: head.origin(),
                expected: "the linear head `sac+logos+ava1-l14-linearMSE.pth`",
                found: format!("it has `{name}`, of the head with ReLU between its layers"),
            });
        }
        let head = AffineLayers::load(head, &Self::LAYERS, files.config.projection_dim)?;
        let images = ImageEmbeddings::load(source, &files.config, preprocessing, execution)?;
        Ok(Self(Rating { images, head }))
    }

    /// How pictures are prepared: as openai/CLIP does.
    pub fn preprocessing(files: &ClipFiles) -> Preprocessing {
        Preprocessing::open_ai_clip(files.config.vision.image_size)
    }

    /// Rates pictures, which takes no prompts.
    ///
    /// # Errors
    /// When a picture cannot be prepared, or the network gives no number.
    pub fn rate(&self, pictures: &[&Picture]) -> Result<Vec<f64>, JudgeError> {
        self.0.rate(pictures)
    }
}

impl Rating {
    fn rate(&self, pictures: &[&Picture]) -> Result<Vec<f64>, JudgeError> {
        let directions = self.images.embed_normalised(pictures)?;
        Ok(directions
            .iter()
            .map(|direction| self.head.apply(direction))
            .collect())
    }
}

impl PairJudge for AestheticV1 {
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        self.rate(&pictures(pairs))
    }
}

impl PairJudge for AestheticV2 {
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        self.rate(&pictures(pairs))
    }
}

fn pictures<'a>(pairs: &[(&'a Picture, &str)]) -> Vec<&'a Picture> {
    pairs.iter().map(|(picture, _)| *picture).collect()
}
