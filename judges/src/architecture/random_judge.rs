//! A network with random weights.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};

use super::published::{
    BLIP_TOKENS, REWARD_WIDTHS, blip_large, blip_text, blip_vqa_base, clip, dinov2_large,
};
use super::{JudgeArchitecture, RandomJudgeError};
use crate::blip::{BlipForQuestionAnswering, TextBatch};
use crate::blip_judges::RewardNetwork;
use crate::clip::ClipVisionModel;
use crate::dino::{DinoModel, DinoSettings};
use crate::inception::{InceptionConfig, InceptionV3};

/// A judge's network, whose weights follow from a seed.
#[derive(Debug)]
pub struct RandomJudge {
    network: Network,
    device: Device,
}

#[derive(Debug)]
enum Network {
    Clip(Box<ClipVisionModel>),
    Questions(Box<BlipForQuestionAnswering>),
    Reward(Box<RewardNetwork>),
    Dino(Box<DinoModel>),
    Inception(Box<InceptionV3>),
}

/// Tokens of the one question about each image; `a red apple?` has six with those before and after it.
const QUESTION_TOKENS: usize = 6;

/// Tokens of ImageReward's prompts, which are filled up.
const PROMPT_TOKENS: usize = 35;

impl RandomJudge {
    pub(super) fn new(
        architecture: JudgeArchitecture,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, RandomJudgeError> {
        let network = match (architecture, clip(architecture)) {
            (_, Some(config)) => {
                Network::Clip(Box::new(ClipVisionModel::seeded(&config, seed, device, dtype)?))
            }
            (JudgeArchitecture::BlipVqaBase, _) => {
                let config = blip_vqa_base(architecture.side());
                let model = BlipForQuestionAnswering::seeded(&config, seed, device, dtype)?;
                Network::Questions(Box::new(model))
            }
            (JudgeArchitecture::ImageReward, _) => {
                let vision = blip_large(architecture.side());
                let text = blip_text(vision.hidden_size);
                let model = RewardNetwork::new(&vision, &text, &REWARD_WIDTHS, device)?;
                Network::Reward(Box::new(model.seeded(seed, dtype)?))
            }
            (JudgeArchitecture::DinoV2L, _) => {
                let settings = DinoSettings {
                    side: architecture.side(),
                    ..DinoSettings::default()
                };
                let model = DinoModel::seeded(&dinov2_large(), settings, seed, device, dtype)?;
                Network::Dino(Box::new(model))
            }
            _ => {
                let model = InceptionV3::seeded(InceptionConfig::default(), seed, device, dtype)?;
                Network::Inception(Box::new(model))
            }
        };
        Ok(Self {
            network,
            device: device.clone(),
        })
    }

    /// What the network says of images, a row for each.
    ///
    /// BLIP is asked one question of six tokens about each image, ImageReward has a prompt of 35 tokens for each. Of
    /// CLIP, only the half that sees images runs: a prompt's embedding is made once for all of its images.
    ///
    /// # Shapes
    /// - pixels: `[batch, side, side, 3]`
    /// - output: `[batch, ..]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<2> {
        let batch = pixels.dims()[0];
        match &self.network {
            Network::Clip(model) => model.forward(pixels),
            Network::Questions(model) => {
                let images = model.encode_images(pixels);
                model.first_logits(&self.texts(batch, QUESTION_TOKENS), images, &[0, 1])
            }
            Network::Reward(model) => model.forward(pixels, &self.texts(batch, PROMPT_TOKENS)),
            Network::Dino(model) => model.forward(pixels),
            Network::Inception(model) => model.forward(pixels),
        }
    }

    /// Number of parameters, normalisations folded in.
    pub fn parameters(&self) -> usize {
        match &self.network {
            Network::Clip(model) => model.num_params(),
            Network::Questions(model) => model.num_params(),
            Network::Reward(model) => model.num_params(),
            Network::Dino(model) => model.parameters(),
            Network::Inception(model) => model.parameters(),
        }
    }

    /// A text of this length for each image; its words do not matter.
    fn texts(&self, count: usize, tokens: usize) -> TextBatch {
        let text = |number: usize| {
            let id = move |token: usize| ((number * 31 + token * 1009) % BLIP_TOKENS) as u32;
            (0..tokens).map(id).collect()
        };
        let texts: Vec<Vec<u32>> = (0..count).map(text).collect();
        TextBatch::new(&texts, tokens, 0, &self.device)
    }
}
