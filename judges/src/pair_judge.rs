//! What a judge of images and their prompts is, and what can go wrong with one.

use std::path::PathBuf;

use burn::tensor::TensorReadError;
use mitune_diffusion::config_fields::SettingError;
use mitune_diffusion::input_file::InputFileError;
use mitune_diffusion::nn::weights::WeightsError;
use mitune_diffusion::tokenizer::TokenizerError;

use crate::clip::ClipError;
use crate::picture::Picture;
use crate::preprocessing::PreprocessingError;

/// A judge of images and their prompts.
pub trait PairJudge {
    /// Judges each picture with its prompt; what is said of one does not depend on the others.
    ///
    /// # Errors
    /// When a picture cannot be prepared, a prompt cannot be encoded, or the network gives no number.
    fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError>;
}

/// A failure to open a judge, or to judge.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A file of the judge is missing, or is of another kind.
    #[error(transparent)]
    File(#[from] InputFileError),
    /// Weights cannot be read, or do not fit the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A CLIP cannot be built or loaded.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A tokenizer cannot be read, or a prompt cannot be encoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A picture cannot be made into what the network sees.
    #[error(transparent)]
    Preprocessing(#[from] PreprocessingError),
    /// A configuration asks for something that is not supported.
    #[error("Cannot use `{}`", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        source: SettingError,
    },
    /// A configuration is of another network, or no network can be built of it.
    #[error("No judge can be built from `{}`: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// None of the files that can hold the weights is there.
    #[error("None of {} in `{}`", names.join(", "), folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// Names that were looked for, each in backticks.
        names: Vec<String>,
    },
    /// A file holds the weights of another judge.
    #[error("`{origin}` is not {expected}: {found}")]
    OtherWeights {
        /// The file.
        origin: String,
        /// What was looked for, with its article.
        expected: &'static str,
        /// What shows that it is something else.
        found: String,
    },
    /// A prepared picture has not the one size that the network sees.
    #[error(
        "The network sees {expected} x {expected} pixels, but pictures are prepared as {height} x {width}"
    )]
    PictureSize {
        /// Side of the network's square.
        expected: usize,
        /// Height of the prepared picture.
        height: usize,
        /// Width of the prepared picture.
        width: usize,
    },
    /// A prompt has more tokens than the network reads, and none may be cut off.
    #[error("The prompt `{prompt}` has {found} tokens, more than the {limit} that the judge reads")]
    PromptTooLong {
        /// The prompt.
        prompt: String,
        /// Its tokens with start and end.
        found: usize,
        /// The most that are read.
        limit: usize,
    },
    /// A result could not be read from its device.
    #[error("Cannot read the network's result")]
    Unreadable {
        /// The device's reason.
        source: TensorReadError,
    },
    /// A result is no number.
    #[error("The network gives no number for item {index}; half precision may be too narrow for it")]
    NotFinite {
        /// Which of the items that were asked about, from 0.
        index: usize,
    },
}

impl JudgeError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Weights(error) | Self::Clip(ClipError::Weights(error)) => error.hint(),
            Self::Tokenizer(error) => error.hint(),
            Self::PictureSize { expected, .. } => Some(format!(
                "Prepare pictures with a side of {expected}: position embeddings are not stretched to another one"
            )),
            _ => None,
        }
    }
}
