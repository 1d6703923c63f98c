//! CLIPScore: the cosine of an image and its caption.

use mitune_diffusion::nn::weights::TensorSource;
use serde::Serialize;

use super::{ClipFiles, Execution, JudgeError, OverLong, PairCosines, PairJudge, PromptRules, PromptTokens};
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// What is made of the cosine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipScoreForm {
    /// The cosine itself, as T2I-CompBench takes it.
    #[default]
    Cosine,
    /// `2.5 max(cos, 0)` of the caption after "A photo depicts " (CLIPScore, arXiv 2104.08718, equation 1).
    Hessel,
}

/// The cosine of the embeddings of an image and its caption, of any CLIP.
#[derive(Debug)]
pub struct ClipScore {
    cosines: PairCosines,
    form: ClipScoreForm,
}

impl ClipScore {
    /// How pictures are prepared unless something else is asked for: as openai/CLIP does, on which T2I-CompBench
    /// builds.
    pub fn preprocessing(files: &ClipFiles) -> Preprocessing {
        Preprocessing::open_ai_clip(files.config.vision.image_size)
    }

    /// How prompts are read unless something else is asked for: cleaned as openai/CLIP does. It refuses a prompt that
    /// is too long; here it is cut off.
    ///
    /// # Errors
    /// When a file of the tokenizer is missing or malformed.
    pub fn tokens(files: &ClipFiles) -> Result<PromptTokens, JudgeError> {
        let longest = files.config.text.max_position_embeddings;
        PromptTokens::open(files.folder(), longest, PromptRules::Cleaned, OverLong::CutOff)
    }

    /// Loads the network from the files' tensors, which may be hashed on the way.
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
        Ok(Self {
            cosines: PairCosines::load(source, &files.config, preprocessing, tokens, execution)?,
            form: ClipScoreForm::default(),
        })
    }

    /// Sets what is made of the cosine.
    #[must_use]
    pub fn with_form(mut self, form: ClipScoreForm) -> Self {
        self.form = form;
        self
    }
}

impl PairJudge for ClipScore {
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        match self.form {
            ClipScoreForm::Cosine => self.cosines.cosines(pairs),
            ClipScoreForm::Hessel => {
                let captions: Vec<String> = pairs
                    .iter()
                    .map(|(_, prompt)| format!("A photo depicts {prompt}"))
                    .collect();
                let pairs: Vec<(&Picture, &str)> = pairs
                    .iter()
                    .zip(&captions)
                    .map(|((picture, _), caption)| (*picture, caption.as_str()))
                    .collect();
                let cosines = self.cosines.cosines(&pairs)?;
                Ok(cosines.into_iter().map(|cosine| 2.5 * cosine.max(0.0)).collect())
            }
        }
    }
}
