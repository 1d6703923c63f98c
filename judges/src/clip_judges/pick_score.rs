//! PickScore: a CLIP trained on people's choices.

use mitune_diffusion::nn::weights::TensorSource;

use super::{ClipFiles, Execution, JudgeError, OverLong, PairCosines, PairJudge, PromptRules, PromptTokens};
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// The cosine times what it was multiplied by in training, about 100 (Pick-a-Pic, arXiv 2305.01569).
#[derive(Debug)]
pub struct PickScore(PairCosines);

impl PickScore {
    /// How prompts are read: as transformers' processor does.
    ///
    /// # Errors
    /// When a file of the tokenizer is missing or malformed.
    pub fn tokens(files: &ClipFiles) -> Result<PromptTokens, JudgeError> {
        let longest = files.config.text.max_position_embeddings;
        PromptTokens::open(
            files.folder(),
            longest,
            PromptRules::Transformers,
            OverLong::CutOff,
        )
    }

    /// Loads the network from the files' tensors, which may be hashed on the way. Pictures are prepared as the folder's
    /// `preprocessor_config.json` says, see [`ClipFiles::preprocessing`].
    ///
    /// # Errors
    /// When the tensors do not fit the configuration, or the tokenizer not the text model.
    pub fn load(
        files: &ClipFiles,
        source: &dyn TensorSource,
        preprocessing: Preprocessing,
        tokens: PromptTokens,
        execution: Execution,
    ) -> Result<Self, JudgeError> {
        let cosines = PairCosines::load(source, &files.config, preprocessing, tokens, execution)?;
        Ok(Self(cosines))
    }
}

impl PairJudge for PickScore {
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        let scale = self.0.scale();
        let cosines = self.0.cosines(pairs)?;
        Ok(cosines.into_iter().map(|cosine| scale * cosine).collect())
    }
}
