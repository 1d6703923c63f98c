//! Prompts: what the images of a pipeline are made from.
//!
//! [`ingest`] reads a [`PromptSource`] into the table `prompts` ([`crate::tables::schema::prompts`]) and reports what became
//! of every row. Files are streamed, so that the two million rows of DiffusionDB fit in little memory; samples and
//! splits depend on what a prompt is rather than on where it stands, so that they hardly change when prompts are added.
//! [`pairs`] reads images together with their prompts.

pub(crate) mod clean;
mod collector;
mod column_words;
mod compact_thrift;
mod config;
pub(crate) mod csv_file;
mod csv_problem;
mod csv_quotes;
pub(crate) mod csv_records;
mod diffusiondb;
mod end_mark;
mod error;
pub(crate) mod error_places;
mod file_format;
pub(crate) mod file_paths;
#[cfg(test)]
mod fixture;
mod held;
mod identity;
mod ingest;
mod json_lines;
pub(crate) mod json_row;
mod limits;
pub(crate) mod lines;
mod packed;
mod page_head;
mod pair_error;
pub mod pairs;
mod parquet_bounds;
mod parquet_column;
pub(crate) mod parquet_file;
mod parquet_problem;
pub(crate) mod parquet_text;
mod report;
mod sample;
mod shapes_world;
mod source;
mod split;
mod t2i_compbench;
mod table;
mod text;
pub(crate) mod text_file;
mod text_problem;
mod utf16;

pub use clean::{InvalidPrompt, MAX_PROMPT_BYTES};
pub use config::{InvalidPrompts, PromptsConfig};
pub use csv_file::CsvSource;
pub use csv_problem::CsvProblem;
pub use diffusiondb::DiffusionDbSource;
pub use error::PromptsError;
pub use file_format::FileFormat;
pub use identity::PromptIdentity;
pub use ingest::{Ingested, SourceFile, file_digest, ingest, source_files};
pub use json_lines::JsonLinesSource;
pub use pair_error::PairError;
pub use parquet_column::ParquetSource;
pub use parquet_problem::ParquetProblem;
pub use report::IngestReport;
pub use sample::{Offered, Sample, SampleConfig};
pub use shapes_world::{ShapesSide, ShapesSource};
pub use source::PromptSource;
pub use split::{SplitConfig, TEST, TRAIN, TestShare, held_out};
pub use t2i_compbench::{CATEGORIES, T2iCompBenchParquetSource, T2iCompBenchSource};
pub use text::TextSource;
