//! What a judge of images and their prompts is, and what can go wrong with one.

use std::path::PathBuf;

use burn::tensor::{FloatDType, TensorReadError};
use mitune_diffusion::config_fields::SettingError;
use mitune_diffusion::input_file::InputFileError;
use mitune_diffusion::nn::weights::WeightsError;
use mitune_diffusion::tokenizer::TokenizerError;

use crate::clip::ClipError;
use crate::picture::Picture;
use crate::preprocessing::UnpreparedPicture;

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
    Preprocessing(#[from] UnpreparedPicture),
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
    /// A vocabulary lacks tokens, so that those behind would have other ids than the network learned.
    #[error(
        "`{}` with `[DEC]` and `[ENC]` has {found} tokens, but the network has {expected}: the file is cut short, or is \
         that of another model",
        path.display()
    )]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// Tokens that it has.
        found: usize,
        /// Tokens that the network knows.
        expected: usize,
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
    #[error("The network gives no number for the image{}", too_narrow(*dtype))]
    NotFinite {
        /// Which of the items that were asked about, from 0.
        index: usize,
        /// What the network computes in.
        dtype: FloatDType,
    },
}

/// What the number format may have to do with results that are no numbers, as the rest of a sentence.
pub fn too_narrow(dtype: FloatDType) -> &'static str {
    match dtype {
        FloatDType::F16 | FloatDType::BF16 => "; half precision may be too narrow for it",
        FloatDType::F32 | FloatDType::Flex32 | FloatDType::F64 => "",
    }
}

impl JudgeError {
    /// Which of the items that were asked about it speaks of, from 0, if it speaks of one.
    pub fn item(&self) -> Option<usize> {
        match self {
            Self::Preprocessing(UnpreparedPicture { index, .. }) | Self::NotFinite { index, .. } => {
                Some(*index)
            }
            _ => None,
        }
    }

    /// The same among more items, of which `place` says where those asked about are.
    pub(crate) fn among(mut self, place: impl FnOnce(usize) -> usize) -> Self {
        if let Self::Preprocessing(UnpreparedPicture { index, .. }) | Self::NotFinite { index, .. } =
            &mut self
        {
            *index = place(*index);
        }
        self
    }

    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Weights(error) | Self::Clip(ClipError::Weights(error)) => error.hint(),
            Self::Tokenizer(error) => error.hint(),
            Self::Vocabulary { .. } => Some("Get the file again from where the judge came from".to_owned()),
            Self::PictureSize { expected, .. } => Some(format!(
                "Prepare pictures with a side of {expected}: position embeddings are not stretched to another one"
            )),
            _ => None,
        }
    }
}
