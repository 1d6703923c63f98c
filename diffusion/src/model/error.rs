//! What can be wrong with a model folder.

use std::error::Error;
use std::path::PathBuf;

use super::PlaceError;
use crate::clip::ClipTextConfigError;
use crate::input_file::InputFileError;
use crate::nn::weights::WeightsError;
use crate::tokenizer::TokenizerError;
use crate::vae::AutoencoderConfigError;

/// A failure to open, load, use or write a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// What was named is no folder of a model.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file of the model cannot be read.
    #[error(transparent)]
    File(#[from] InputFileError),
    /// A file or folder could not be written.
    #[error("Cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A model is to be written where something is already.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A configuration holds a setting that is not supported.
    #[error("Cannot use `{}`", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The setting and its value.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The index lacks a component.
    #[error("`{}` lists no `{component}`", path.display())]
    NoComponent {
        /// The index.
        path: PathBuf,
        /// The component.
        component: &'static str,
    },
    /// The model or a component is of a class that is not supported.
    #[error("`{}` says `{component}` is {found}, which is not supported; supported: {expected}", path.display())]
    Class {
        /// The index.
        path: PathBuf,
        /// The component, or `_class_name` for the model itself.
        component: &'static str,
        /// The class found, in backticks, or `nothing`.
        found: String,
        /// The classes supported.
        expected: String,
    },
    /// The autoencoder's configuration is not supported.
    #[error("Cannot use `{}`", path.display())]
    Autoencoder {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: AutoencoderConfigError,
    },
    /// The text encoder's configuration is not supported.
    #[error("Cannot use `{}`", path.display())]
    TextModel {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: ClipTextConfigError,
    },
    /// Two components do not fit each other.
    #[error("In `{}`, {left} is {left_value} but {right} is {right_value}", path.display())]
    Disagreement {
        /// The model folder.
        path: PathBuf,
        /// What the one component says.
        left: &'static str,
        /// Its value.
        left_value: usize,
        /// What the other component says.
        right: &'static str,
        /// Its value.
        right_value: usize,
    },
    /// A tokenizer writes what its text encoder cannot read.
    #[error("In `{}`, {tokenizer} knows {found} {what}, more than the {limit} of {encoder}", path.display())]
    TooMany {
        /// The model folder.
        path: PathBuf,
        /// What is counted.
        what: &'static str,
        /// The tokenizer.
        tokenizer: &'static str,
        /// The tokenizer's number.
        found: usize,
        /// The text encoder.
        encoder: &'static str,
        /// The text encoder's number.
        limit: usize,
    },
    /// Components that only make sense together are not all there.
    #[error("`{}` cannot be used: {reason}", path.display())]
    Incomplete {
        /// The model folder.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// No component has the variant asked for.
    #[error("No component of `{}` has weights of the variant `{variant}`", path.display())]
    NoVariant {
        /// The model folder.
        path: PathBuf,
        /// The variant.
        variant: String,
    },
    /// The tokenizer cannot be read or used.
    #[error("Cannot use the tokenizer")]
    Tokenizer {
        /// The reason.
        source: TokenizerError,
    },
    /// An empty list of prompts was to be encoded.
    #[error("No prompts to encode, expected at least 1")]
    NoPrompts,
    /// Weights cannot be read, written or do not fit.
    #[error("Cannot use the weights of `{component}`")]
    Weights {
        /// The component.
        component: &'static str,
        /// The reason.
        source: WeightsError,
    },
}

impl ModelError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Place(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Tokenizer { source } => source.hint(),
            Self::Weights { source, .. } => source.hint(),
            _ => None,
        }
    }
}
