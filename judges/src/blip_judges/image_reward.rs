//! ImageReward (Xu et al. 2023, arXiv 2304.05977): how much people would like an image for a prompt.

use std::path::Path;

use mitune_diffusion::input_file::read_object;
use mitune_diffusion::nn::weights::{TensorSource, TorchFile};

use super::preparation::{Preparation, values_of};
use super::reward_network::{HEAD, RewardNetwork, VISION};
use super::vocabulary_check::check_vocabulary;
use crate::blip::{BlipTextConfig, TextBatch, WordPieceTokenizer, original_vision_config};
use crate::clip_judges::Execution;
use crate::pair_judge::{JudgeError, PairJudge};
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// ImageReward-v1.0: a reward of mean 0 and variance 1 over the images it was trained on.
#[derive(Debug)]
pub struct ImageReward {
    network: RewardNetwork,
    tokenizer: WordPieceTokenizer,
    preparation: Preparation,
}

/// Tokens of a prompt, with those before and after it: shorter ones are filled up, longer ones cut off.
const TOKENS: usize = 35;

/// Mean and deviation of the raw output over the images of the training.
const MEAN: f64 = 0.167_173_628_300_524_26;
const DEVIATION: f64 = 1.033_339_496_605_407_2;

impl ImageReward {
    /// Opens a folder with `ImageReward.pt`, `med_config.json` and `vocab.txt`.
    ///
    /// # Errors
    /// When a file is missing or is of another model.
    pub fn open(folder: &Path, execution: Execution) -> Result<Self, JudgeError> {
        let weights = TorchFile::open(&folder.join("ImageReward.pt"))?;
        Self::load(folder, &weights, execution)
    }

    /// Opens such a folder with weights that are read through `source`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn load(folder: &Path, source: &dyn TensorSource, execution: Execution) -> Result<Self, JudgeError> {
        let path = folder.join("med_config.json");
        let tokenizer = WordPieceTokenizer::from_directory(folder)?;
        let vision = original_vision_config(source, VISION).map_err(|error| error.of_judge(&path))?;
        let text = BlipTextConfig::from_med_config(read_object(&path)?, vision.hidden_size)
            .map_err(|error| error.of_judge(&path))?;
        check_vocabulary(&path, &text, &tokenizer, TOKENS)?;
        let widths = head_widths(source, text.hidden_size)?;
        let network = RewardNetwork::new(&vision, &text, &widths, &execution.device)
            .and_then(|network| network.load(source, execution.dtype))
            .map_err(|error| error.of_judge(&path))?;
        Ok(Self {
            network,
            tokenizer,
            preparation: Preparation {
                preprocessing: Preprocessing::open_ai_clip(vision.image_size),
                side: vision.image_size,
                execution,
            },
        })
    }

    /// How pictures are prepared.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preparation.preprocessing
    }

    fn rewards(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f32>, JudgeError> {
        let pictures: Vec<&Picture> = pairs.iter().map(|(picture, _)| *picture).collect();
        let pixels = self.preparation.batch(&pictures)?;
        let mut prompts = pairs
            .iter()
            .map(|(_, prompt)| self.tokenizer.encode(prompt, TOKENS))
            .collect::<Result<Vec<_>, _>>()?;
        prompts.resize(self.preparation.batch_size(), Vec::new());
        let padding = self.tokenizer.padding_id();
        let texts = TextBatch::new(&prompts, TOKENS, padding, &self.preparation.execution.device);
        let raw = values_of(self.network.forward(pixels, &texts))?;
        let normalised = |raw: &f32| (raw - MEAN as f32) / DEVIATION as f32;
        Ok(raw.iter().take(pairs.len()).map(normalised).collect())
    }
}

impl PairJudge for ImageReward {
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        let mut scores = Vec::with_capacity(pairs.len());
        for batch in pairs.chunks(self.preparation.batch_size()) {
            let rewards = self.rewards(batch);
            for reward in rewards.map_err(|error| error.among(|index| scores.len() + index))? {
                if !reward.is_finite() {
                    return Err(JudgeError::NotFinite {
                        index: scores.len(),
                        dtype: self.preparation.execution.dtype,
                    });
                }
                scores.push(f64::from(reward));
            }
        }
        Ok(scores)
    }
}

/// Widths before, between and after the head's layers, which have to fit each other.
fn head_widths(source: &dyn TensorSource, first: usize) -> Result<Vec<usize>, JudgeError> {
    let mut widths = vec![first];
    for layer in HEAD {
        let tensor = format!("{layer}.weight");
        let shape = source.describe(&tensor).map(|(_, shape)| shape);
        match shape.as_deref() {
            Some([outputs, inputs]) if widths.last() == Some(inputs) => widths.push(*outputs),
            Some(other) => return Err(other_weights(source, format!("`{tensor}` has shape {other:?}"))),
            None => return Err(other_weights(source, format!("there is no `{tensor}`"))),
        }
    }
    match widths.last() {
        Some(1) => Ok(widths),
        _ => Err(other_weights(source, format!("its head has widths {widths:?}"))),
    }
}

fn other_weights(source: &dyn TensorSource, found: String) -> JudgeError {
    JudgeError::OtherWeights {
        origin: source.origin(),
        expected: "ImageReward",
        found,
    }
}
