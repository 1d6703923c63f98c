//! What can go wrong while prompts are read.

use std::io;
use std::path::PathBuf;

use arrow_schema::ArrowError;
use mitune_bounded_file::BoundedFileError;

use super::clean::InvalidPrompt;
use super::csv_problem::CsvProblem;
use super::file_format::FileFormat;
use super::pair_error::PairError;
use super::parquet_problem::ParquetProblem;
use super::report::IngestReport;

/// A failure to read prompts or image-prompt pairs, with the file and the place in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptsError {
    /// A file cannot be opened or read.
    #[error("Cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not valid Parquet, is damaged, or uses a codec that is not built in.
    #[error("Cannot read `{}` as Parquet", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetProblem,
    },
    /// The values of a Parquet file cannot be decoded.
    #[error("Cannot decode the values of `{}`", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetProblem,
    },
    /// A Parquet file is so damaged that its reader gave up.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        problem: String,
    },
    /// A column is not in the file.
    #[error("No column `{column}` in `{}`; found {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that was asked for.
        column: String,
        /// The columns that are there, each in backticks.
        found: String,
        /// The one of them that is spelled most alike.
        nearest: Option<String>,
        /// The setting that names the column, if one does.
        setting: Option<&'static str>,
        /// The character that seems to divide the columns, if it is another one than was expected.
        delimiter: Option<char>,
    },
    /// A column holds another type than it must.
    #[error("Column `{column}` of `{}` must hold {expected}, found {found}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type it must have, in words.
        expected: &'static str,
        /// What it holds, in words.
        found: String,
        /// The path of a text inside of what it holds.
        inside: Option<String>,
        /// The setting that names the column, if one does.
        setting: Option<&'static str>,
    },
    /// A file of pairs cannot be opened or read.
    #[error("Cannot read `{}`", path.display())]
    ReadPairs {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The records of a CSV file cannot be told apart.
    #[error("Cannot read `{}` as CSV", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        #[source]
        source: CsvProblem,
    },
    /// A file is no regular one, such as a pipe or a device, or has more bytes than are read.
    #[error(transparent)]
    Unbounded(BoundedFileError),
    /// A file is of a kind that this source does not read.
    #[error("`{}` {format}", path.display())]
    WrongFormat {
        /// The file.
        path: PathBuf,
        /// The kind, with what to do.
        format: FileFormat,
    },
    /// A path of a source stands for no files.
    #[error("Path `{}` {problem}", path.display())]
    Path {
        /// The path as the pipeline has it.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No object of a file has the field.
    #[error("No object of `{}` has the field `{field}`; the first has {found}", path.display())]
    MissingField {
        /// The file.
        path: PathBuf,
        /// The field that was asked for.
        field: String,
        /// The fields of the first object, each in backticks.
        found: String,
        /// The one of them that is spelled most alike.
        nearest: Option<String>,
    },
    /// A file is JSON, but not one object on each line.
    #[error(
        "`{}` is {found}, not one JSON object on each line; convert it with `jq -c '{filter}'`",
        path.display()
    )]
    JsonDocument {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What makes lines of it.
        filter: &'static str,
    },
    /// A line is not a JSON object.
    #[error("Line {line} of `{}` is not a JSON object", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A label in a JSON object is no string.
    #[error("Field `{field}` on line {line} of `{}` must be a string, found {found}", path.display())]
    JsonField {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The field.
        field: String,
        /// What is there instead.
        found: &'static str,
    },
    /// A line is longer than a line of this format may be.
    #[error("Line {line} of `{}` is longer than {limit} bytes", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The greatest length.
        limit: usize,
    },
    /// The files of a source have more rows than are read.
    #[error(
        "`{}` brings the rows of the source to more than {limit}, the most that are read",
        path.display()
    )]
    TooManyRows {
        /// The file that was read at last.
        path: PathBuf,
        /// The greatest number.
        limit: u64,
    },
    /// The prompts would fill the memory.
    #[error(
        "The prompts of {rows} rows take more than {limit} bytes of memory; reading stopped in `{}`",
        path.display()
    )]
    TooManyPrompts {
        /// The file that was read at last.
        path: PathBuf,
        /// Rows read so far.
        rows: u64,
        /// The greatest number of bytes.
        limit: u64,
        /// What makes them fewer.
        remedy: &'static str,
    },
    /// A prompt cannot be used, and the configuration does not allow to leave it out.
    #[error("The prompt at `{origin}:{line}` {problem}; `invalid_prompts: skip` leaves such prompts out")]
    InvalidPrompt {
        /// The file name or kind of the source.
        origin: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: InvalidPrompt,
    },
    /// Nothing is left.
    #[error("No prompts left of {} read from {origin}: {}", report.read, report.losses())]
    NoPrompts {
        /// The files, or the kind of the source.
        origin: String,
        /// What was filtered out, and why.
        report: Box<IngestReport>,
    },
    /// A split was asked for that leaves one side empty.
    #[error(
        "The split leaves no {side} prompt: {distinct} distinct prompts, of which {test} are test prompts"
    )]
    EmptySplit {
        /// `train` or `test`.
        side: &'static str,
        /// Distinct prompts in all.
        distinct: usize,
        /// Distinct test prompts.
        test: usize,
    },
    /// A file name does not tell the category and none is given.
    #[error(
        "Cannot tell the T2I-CompBench category of `{}` from its name; expected one of {expected}, or `category` in the source",
        path.display()
    )]
    UnknownCategory {
        /// The file.
        path: PathBuf,
        /// The known categories.
        expected: String,
    },
    /// A setting has a value that makes no sense.
    #[error("Setting `{setting}` {problem}")]
    Setting {
        /// The path of the setting within the stage.
        setting: &'static str,
        /// What it must be, and what was found.
        problem: String,
    },
    /// The file has more lines than the column `line` can count.
    #[error("`{}` has more than {} lines", path.display(), u32::MAX)]
    TooManyLines {
        /// The file.
        path: PathBuf,
    },
    /// A file changed between the beginning and the end of the ingestion.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A pair of an image and a prompt cannot be used.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The rows do not form a table; a defect of this program.
    #[error("Cannot build the table of prompts")]
    Table(#[source] ArrowError),
}
