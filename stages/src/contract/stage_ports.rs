//! What stages read and yield.

use std::fmt;

use mitune_store::ArtifactKind;

use super::reference::Reference;

/// Name of the port on which a stage takes a model that another stage made.
pub const MODEL_PORT: &str = "model_from";

/// Name of the port on which a stage takes an adapter.
pub const ADAPTER_PORT: &str = "adapter";

/// What an artifact holds, so that a wrong reference is found before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Content {
    /// Table of prompts.
    Prompts,
    /// Table of candidates.
    Candidates,
    /// Table of scores.
    Scores,
    /// Table of selected candidates.
    Selection,
    /// Table of pairs of candidates of which one is preferred.
    Pairs,
    /// Table of candidates and how much each counts.
    Weights,
    /// Table of latents of given images.
    Latents,
    /// Table of images that are no candidates.
    Images,
    /// Table of matched and mismatched images and prompts.
    Contrasts,
    /// Table of features of candidates and their prompts.
    Features,
    /// Adapter weights.
    Adapter,
    /// Table of evaluated images.
    Evaluation,
    /// Table of training losses by step.
    Losses,
    /// Table of metrics of whole sets of images.
    SetMetrics,
    /// JSON summary.
    Summary,
    /// Weights of an autoencoder.
    Autoencoder,
    /// Weights of a denoiser.
    Denoiser,
    /// A whole model directory.
    Model,
    /// A directory with the model of a judge.
    JudgeModel,
}

impl Content {
    /// Tells whether an artifact of this kind can hold it.
    pub fn is_held_by(self, kind: ArtifactKind) -> bool {
        match self {
            Self::Prompts
            | Self::Candidates
            | Self::Scores
            | Self::Selection
            | Self::Pairs
            | Self::Weights
            | Self::Latents
            | Self::Images
            | Self::Contrasts
            | Self::Features
            | Self::Evaluation
            | Self::SetMetrics
            | Self::Losses => matches!(kind, ArtifactKind::Table | ArtifactKind::Parts),
            Self::Adapter => kind == ArtifactKind::Tensors,
            Self::Summary => kind == ArtifactKind::Json,
            Self::Autoencoder | Self::Denoiser | Self::Model | Self::JudgeModel => {
                kind == ArtifactKind::Directory
            }
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Prompts => "prompts",
            Self::Candidates => "candidates",
            Self::Scores => "scores",
            Self::Selection => "a selection",
            Self::Pairs => "pairs",
            Self::Weights => "weights of candidates",
            Self::Latents => "latents of images",
            Self::Images => "images",
            Self::Contrasts => "contrasts",
            Self::Features => "features of candidates",
            Self::Adapter => "an adapter",
            Self::Evaluation => "an evaluation",
            Self::Losses => "losses",
            Self::SetMetrics => "metrics of sets",
            Self::Summary => "a summary",
            Self::Autoencoder => "an autoencoder",
            Self::Denoiser => "a denoiser",
            Self::Model => "a model",
            Self::JudgeModel => "a judge's model",
        })
    }
}

/// How many artifacts an input port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one. `previous.` is then an error in the first round.
    One,
    /// One or none: `previous.` gives none in the first round.
    Optional,
    /// Any number, in the order of the references; a reference may hold wildcards.
    Many,
}

/// Something a stage reads.
#[derive(Clone, Debug)]
pub struct InputPort {
    /// Name of the setting that holds the reference.
    pub port: &'static str,
    /// How many artifacts the port takes.
    pub arity: Arity,
    /// Which content it takes.
    pub accepts: &'static [Content],
    /// The references as written in the pipeline.
    pub references: Vec<Reference>,
}

impl InputPort {
    /// Makes a port that needs one artifact.
    pub fn one(port: &'static str, accepts: &'static [Content], reference: &Reference) -> Self {
        Self {
            port,
            arity: Arity::One,
            accepts,
            references: vec![reference.clone()],
        }
    }

    /// Makes a port that may stay empty.
    pub fn optional(port: &'static str, accepts: &'static [Content], reference: Option<&Reference>) -> Self {
        Self {
            port,
            arity: Arity::Optional,
            accepts,
            references: reference.into_iter().cloned().collect(),
        }
    }

    /// Makes a port that takes a list.
    pub fn many(port: &'static str, accepts: &'static [Content], references: &[Reference]) -> Self {
        Self {
            port,
            arity: Arity::Many,
            accepts,
            references: references.to_vec(),
        }
    }
}

/// Something a stage yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPort {
    /// Name within the stage, as in `stage:name`.
    pub name: &'static str,
    /// What the artifact holds.
    pub content: Content,
}
