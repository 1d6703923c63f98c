//! Why a pipeline could not be planned or run to its end.

use std::path::PathBuf;

use mitune_stages::contract::StageError;
use mitune_store::{CanonicalError, RunId, StoreError};

use crate::document::Mark;
use crate::pipeline::{Pipeline, PipelineStage, position};

/// Why a pipeline could not be planned or run to its end.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A stage asks for something that is not there; nothing was computed for it.
    #[error("{}Stage `{stage}` cannot run", position(file, *mark))]
    Setup {
        /// The pipeline file.
        file: PathBuf,
        /// Where the stage stands.
        mark: Option<Mark>,
        /// The stage.
        stage: String,
        /// Why.
        source: StageError,
    },
    /// A stage failed.
    #[error("Stage `{stage}` failed")]
    Stage {
        /// The stage.
        stage: String,
        /// Why.
        source: StageError,
    },
    /// A stage panicked.
    #[error("Stage `{stage}` stopped at a bug: {message}")]
    Panic {
        /// The stage.
        stage: String,
        /// What the panic said.
        message: String,
    },
    /// A file that a stage reads is not the one its key was made of.
    #[error(
        "`{input}` of stage `{stage}` changed while the pipeline ran; nothing was recorded of it. Run again once nobody \
         writes to it"
    )]
    Changed {
        /// The stage.
        stage: String,
        /// What the stage calls the file or folder.
        input: String,
    },
    /// A recorded result turned out to be none when it was read; it was disowned.
    #[error("The recorded result of stage `{stage}` cannot be used: {reason}")]
    Disowned {
        /// The stage whose result it was.
        stage: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stage must compute, and its result could not be kept.
    #[error("Stage `{stage}` must compute ({reason}), and the store may only be read here")]
    ReadOnly {
        /// The stage.
        stage: String,
        /// Why the store has no result.
        reason: String,
    },
    /// A stage yielded other outputs than it declares.
    #[error("Stage `{stage}` declares the outputs `{declared}` and yielded `{yielded}`")]
    Outputs {
        /// The stage.
        stage: String,
        /// Names it declares.
        declared: String,
        /// Names it yielded.
        yielded: String,
    },
    /// The record of a result has no room for what it must say.
    #[error("Stage `{stage}` was computed, but its record takes {size} bytes, at most {limit} are allowed")]
    RecordSize {
        /// The stage.
        stage: String,
        /// The size of the record in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The user stopped the run.
    #[error("Run `{run}` was interrupted; the same command goes on where it stopped")]
    Interrupted {
        /// The run.
        run: RunId,
    },
    /// The user stopped the run while other processes chose theirs.
    #[error("The run was interrupted before it began")]
    InterruptedEarly,
    /// The device does not work.
    #[error(transparent)]
    Device(#[from] mitune_stages::device::DeviceError),
    /// A key could not be derived.
    #[error(transparent)]
    Key(#[from] CanonicalError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EngineError {
    /// A stage of a pipeline asks for something that is not there.
    pub(super) fn setup(pipeline: &Pipeline, stage: &PipelineStage, source: StageError) -> Self {
        Self::Setup {
            file: pipeline.file.clone(),
            mark: stage.mark,
            stage: stage.name.to_string(),
            source,
        }
    }
}
