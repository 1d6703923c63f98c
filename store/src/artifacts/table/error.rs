//! What can go wrong with a table.

use arrow_schema::{ArrowError, DataType};
use parquet::errors::ParquetError;

use crate::names::FileDigest;

/// A table that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A group of rows would take more memory than any writer of the store makes it take.
    #[error("A row group takes {bytes} bytes in memory, at most {limit} are read")]
    RowGroupSize {
        /// Its size in bytes, as the file says.
        bytes: i64,
        /// The limit in bytes.
        limit: i64,
    },
    /// The type of a column has no canonical form.
    #[error("Column `{column}` has the type {found}, which tables here do not hold")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        found: DataType,
    },
    /// A column name is used twice.
    #[error("Column `{0}` appears twice")]
    RepeatedColumn(String),
    /// A batch has other fields than the table.
    #[error("Batch has the fields {found}, the table {expected}")]
    Fields {
        /// Fields of the batch.
        found: String,
        /// Fields of the table.
        expected: String,
    },
    /// A table has another number of rows than its record says.
    #[error("Table has {found} rows, its record says {}", .recorded.map_or("nothing".to_owned(), |rows| rows.to_string()))]
    Rows {
        /// Rows in the record.
        recorded: Option<u64>,
        /// Rows in the table.
        found: u64,
    },
    /// A column that is asked for is not there.
    #[error("Table has no column `{name}`, its columns are {columns}")]
    NoColumn {
        /// The missing name.
        name: String,
        /// The names that exist.
        columns: String,
    },
    /// A table of parts was given another number of row digests than rows.
    #[error("Parts name {rows} rows, got {digests} row digests")]
    PartRows {
        /// Rows of all parts.
        rows: u64,
        /// Row digests.
        digests: usize,
    },
    /// A part names a row its blob does not have.
    #[error("Blob `{blob}` has {rows} rows, a part names row {row}")]
    RowRange {
        /// The blob.
        blob: FileDigest,
        /// The row, counted from 0.
        row: u32,
        /// Rows of the blob.
        rows: u64,
    },
    /// The list of parts cannot be parsed.
    #[error("The list of parts cannot be read")]
    Manifest(#[source] serde_json::Error),
    /// The list of parts contradicts itself.
    #[error("The list of parts is inconsistent: {0}")]
    ManifestContent(&'static str),
    /// Parquet could not be written or read.
    #[error("Cannot {action} Parquet")]
    Parquet {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: ParquetError,
    },
    /// Columns could not be put together.
    #[error("Cannot put rows together")]
    Arrow(#[from] ArrowError),
}

impl TableError {
    /// Tells whether the bytes are wrong, rather than out of reach for the moment.
    pub fn is_lasting(&self) -> bool {
        !matches!(
            self,
            Self::Parquet {
                source: ParquetError::External(_),
                ..
            }
        )
    }

    pub(crate) fn write(source: ParquetError) -> Self {
        Self::Parquet {
            action: "write",
            source,
        }
    }

    pub(crate) fn read(source: ParquetError) -> Self {
        Self::Parquet {
            action: "read",
            source,
        }
    }
}
