//! HPS v2 and v2.1: open_clip's ViT-H/14, trained on people's rankings.

use mitune_diffusion::nn::weights::TensorSource;

use super::{Execution, HpsFiles, JudgeError, OverLong, PairCosines, PairJudge, PromptRules, PromptTokens};
use crate::clip::open_clip::OpenClipTensors;
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// The cosine of an image and its prompt (Human Preference Score v2, arXiv 2306.09341). Tables show it times 100.
#[derive(Debug)]
pub struct Hps(PairCosines);

impl Hps {
    /// How pictures are prepared. `antialias` is what torchvision does by default from version 0.17 on, and so in the
    /// papers' environment; HPS's own tables were made before.
    pub fn preprocessing(files: &HpsFiles, antialias: bool) -> Preprocessing {
        Preprocessing::hps(files.config.vision.image_size, antialias)
    }

    /// How prompts are read: as open_clip does.
    ///
    /// # Errors
    /// When a file of the tokenizer is missing or malformed.
    pub fn tokens(files: &HpsFiles) -> Result<PromptTokens, JudgeError> {
        let longest = files.config.text.max_position_embeddings;
        PromptTokens::open(files.folder(), longest, PromptRules::OpenClip, OverLong::CutOff)
    }

    /// Loads the network from the file's tensors, under open_clip's names, which may be hashed on the way.
    ///
    /// # Errors
    /// When the tensors do not fit the configuration, or the tokenizer not the text model.
    pub fn load(
        files: &HpsFiles,
        source: &dyn TensorSource,
        preprocessing: Preprocessing,
        tokens: PromptTokens,
        execution: Execution,
    ) -> Result<Self, JudgeError> {
        let renamed = OpenClipTensors::new(source);
        let cosines = PairCosines::load(&renamed, &files.config, preprocessing, tokens, execution)?;
        Ok(Self(cosines))
    }
}

impl PairJudge for Hps {
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        self.0.cosines(pairs)
    }
}
