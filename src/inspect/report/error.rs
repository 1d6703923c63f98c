use mitune_stages::evaluate::measures::table::EvaluationTableError;
use mitune_stages::image::ImageError;
use mitune_stages::tables::columns::ColumnError;
use mitune_store::{MissReason, StoreError};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// A stage of the run has no result any more.
    #[error("Result of stage `{stage}` with key `{key}` is not in the store")]
    MissingResult {
        /// Name of the stage.
        stage: String,
        /// Its key, shortened.
        key: String,
        /// Why there is none.
        source: MissReason,
    },
    /// The log of the run could not be read.
    #[error("Events of run `{run}` cannot be read")]
    Events {
        /// The run.
        run: String,
        /// Why.
        source: StoreError,
    },
    /// The settings of a stage could not be read.
    #[error("Settings of stage `{stage}` cannot be read")]
    Settings {
        /// Name of the stage.
        stage: String,
        /// Why.
        source: StoreError,
    },
    /// An output of a stage could not be read.
    #[error("Output `{output}` of stage `{stage}` cannot be read")]
    Output {
        /// Name of the stage.
        stage: String,
        /// Name of the output.
        output: String,
        /// Why.
        source: StoreError,
    },
    /// A table has other columns than its stage promises.
    #[error("Output `{output}` of stage `{stage}` is not the expected table")]
    Column {
        /// Name of the stage.
        stage: String,
        /// Name of the output.
        output: String,
        /// Which column.
        source: ColumnError,
    },
    /// Judged images could not be read.
    #[error("Images judged by stage `{stage}` cannot be read")]
    Evaluation {
        /// Name of the stage.
        stage: String,
        /// Why.
        source: EvaluationTableError,
    },
    /// A value of a table makes no sense.
    #[error("Output `{output}` of stage `{stage}` has {what} `{value}` in row {row}")]
    Value {
        /// Name of the stage.
        stage: String,
        /// Name of the output.
        output: String,
        /// What the value was meant to be.
        what: &'static str,
        /// The value.
        value: String,
        /// The row, from 0.
        row: usize,
    },
    /// Shares or differences could not be estimated.
    #[error("Images judged by stage `{stage}` could not be summarised")]
    Statistics {
        /// Name of the stage.
        stage: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller's decoder gave another number of images.
    #[error("Decoder gave {found} images for {expected} latents of stage `{stage}`")]
    DecodedCount {
        /// Name of the stage.
        stage: String,
        /// Latents given.
        expected: usize,
        /// Images received.
        found: usize,
    },
    /// A stored image is not a PNG, or could not be written as one.
    #[error("Image {seed_index} of prompt `{prompt_id}` of stage `{stage}` is damaged")]
    Image {
        /// Name of the stage.
        stage: String,
        /// Id of the prompt.
        prompt_id: String,
        /// Which image of the prompt.
        seed_index: u32,
        /// Why.
        source: ImageError,
    },
}
