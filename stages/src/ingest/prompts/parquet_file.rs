//! Columns of a Parquet file, streamed in small batches.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};

use super::column_words::in_words;
use super::error::PromptsError;
use super::file_format::FileFormat;
use super::parquet_bounds::{batch_rows, check_footer};
use super::parquet_text::{TextColumn, find, has_list, is_text, text_inside};
use super::text_file::{open_input, start};

/// Rows decoded at a time: few, so that even rows of a megabyte fit in memory.
const BATCH_ROWS: usize = 1024;

/// A Parquet file whose footer has been read.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    path: PathBuf,
    file: File,
    batch_rows: usize,
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl ParquetFile {
    pub(crate) fn open(path: &Path) -> Result<Self, PromptsError> {
        let mut file = open_input(path)?;
        let start = start(&mut file).map_err(PromptsError::read(path))?;
        match FileFormat::of(&start) {
            Some(FileFormat::Parquet) | None => check_footer(path, &mut file)?,
            Some(format) => return Err(PromptsError::wrong_format(path, format)),
        }
        let opened = file.try_clone().map_err(PromptsError::read(path))?;
        // Without the stored Arrow schema every kind of string column is read as one and the same type.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = guarded(path, || {
            ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options)
                .map_err(PromptsError::parquet(path))
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            batch_rows: BATCH_ROWS,
            builder,
        })
    }

    /// The same file, decoded in batches of another size.
    pub(crate) fn with_batch_rows(self, batch_rows: usize) -> Self {
        Self { batch_rows, ..self }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.found(column).is_ok()
    }

    /// How many rows the file declares.
    pub(crate) fn rows(&self) -> u64 {
        let rows = self.builder.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> Vec<String> {
        let fields = self.builder.schema().fields();
        fields.iter().map(|field| field.name().clone()).collect()
    }

    /// The type of a column.
    pub(crate) fn column_type(&self, column: &str) -> Result<&DataType, PromptsError> {
        Ok(self.found(column)?.1.data_type())
    }

    /// Checks that a column can hold texts.
    pub(crate) fn check_text(&self, column: &str) -> Result<(), PromptsError> {
        match self.column_type(column)? {
            kind if is_text(kind) => Ok(()),
            kind => Err(column_type(&self.path, column, "text", kind)),
        }
    }

    /// Reads these columns alone; with a selection, these rows alone.
    pub(crate) fn read(
        mut self,
        columns: &[&str],
        selection: Option<RowSelection>,
    ) -> Result<Batches, PromptsError> {
        let indices = columns
            .iter()
            .map(|column| self.one_value(column))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = batch_rows(
            &self.path,
            &mut self.file,
            self.builder.metadata(),
            &indices,
            self.batch_rows,
        )?;
        let mask = ProjectionMask::roots(self.builder.parquet_schema(), indices);
        let mut builder = self.builder.with_projection(mask).with_batch_size(rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let reader = guarded(&self.path, || {
            builder.build().map_err(PromptsError::parquet(&self.path))
        })?;
        Ok(Batches {
            path: self.path,
            reader,
            decoded: 0,
        })
    }

    /// The place of a column that has one value in each row.
    fn one_value(&self, column: &str) -> Result<usize, PromptsError> {
        let (index, _) = self.found(column)?;
        let root = self.builder.schema().field(index);
        match has_list(root.data_type()) {
            true => Err(column_type(
                &self.path,
                column,
                "one value in each row",
                root.data_type(),
            )),
            false => Ok(index),
        }
    }

    fn found(&self, column: &str) -> Result<(usize, &Field), PromptsError> {
        let fields = self.builder.schema().fields();
        find(fields, column).ok_or_else(|| {
            let names = fields.iter().map(|field| field.name().as_str());
            PromptsError::missing_column(&self.path, column, names)
        })
    }
}

/// Does work of the Parquet reader, which takes some damage for impossible and panics.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, PromptsError>) -> Result<T, PromptsError> {
    // Whatever the work leaves half done is dropped together with the reader, because every error ends the reading.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let problem = "its parts contradict each other".to_owned();
        Err(PromptsError::damaged(path, problem))
    })
}

/// The batches of the columns of a file.
pub(crate) struct Batches {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    /// Bytes of all batches so far.
    decoded: usize,
}

/// Most bytes that the values of a file may take, one after the other: a dictionary can make any number of few.
const MOST_DECODED_BYTES: usize = 64 << 30;

impl Batches {
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, PromptsError> {
        let Self {
            path,
            reader,
            decoded,
        } = self;
        let batch = guarded(path, || {
            reader.next().transpose().map_err(PromptsError::decode(path))
        })?;
        *decoded = decoded.saturating_add(batch.as_ref().map_or(0, RecordBatch::get_array_memory_size));
        if *decoded > MOST_DECODED_BYTES {
            let problem = format!("its values take more than {MOST_DECODED_BYTES} bytes");
            return Err(PromptsError::damaged(path, problem));
        }
        Ok(batch)
    }

    /// A text column of one of the batches.
    pub(crate) fn text(&self, batch: &RecordBatch, column: &str) -> Result<TextColumn, PromptsError> {
        TextColumn::of(batch, column).ok_or_else(|| {
            let found = batch
                .column_by_name(column)
                .map_or(&DataType::Null, |array| array.data_type());
            column_type(&self.path, column, "text", found)
        })
    }

    /// A column of numbers of one of the batches.
    pub(crate) fn numbers(&self, batch: &RecordBatch, column: &str) -> Result<Numbers, PromptsError> {
        let array = self.column(batch, column)?;
        Numbers::new(array).ok_or_else(|| column_type(&self.path, column, "numbers", array.data_type()))
    }

    fn column<'b>(&self, batch: &'b RecordBatch, column: &str) -> Result<&'b ArrayRef, PromptsError> {
        batch.column_by_name(column).ok_or_else(|| {
            let schema = batch.schema();
            PromptsError::missing_column(
                &self.path,
                column,
                schema.fields().iter().map(|field| field.name().as_str()),
            )
        })
    }
}

pub(crate) fn column_type(
    path: &Path,
    column: &str,
    expected: &'static str,
    found: &DataType,
) -> PromptsError {
    PromptsError::ColumnType {
        path: path.to_owned(),
        column: column.to_owned(),
        expected,
        found: in_words(found),
        inside: text_inside(column, found).filter(|_| !has_list(found)),
        setting: None,
    }
}

/// A column of numbers of any width.
#[derive(Debug)]
pub(crate) struct Numbers {
    values: Vec<f64>,
    array: ArrayRef,
    single_precision: bool,
}

impl Numbers {
    fn new(array: &ArrayRef) -> Option<Self> {
        macro_rules! widen {
            ($kind:ty) => {
                array
                    .as_primitive::<$kind>()
                    .values()
                    .iter()
                    .map(|value| *value as f64)
                    .collect()
            };
        }
        let values = match array.data_type() {
            DataType::Int8 => widen!(Int8Type),
            DataType::Int16 => widen!(Int16Type),
            DataType::Int32 => widen!(Int32Type),
            DataType::Int64 => widen!(Int64Type),
            DataType::UInt8 => widen!(UInt8Type),
            DataType::UInt16 => widen!(UInt16Type),
            DataType::UInt32 => widen!(UInt32Type),
            DataType::UInt64 => widen!(UInt64Type),
            DataType::Float32 => widen!(Float32Type),
            DataType::Float64 => widen!(Float64Type),
            _ => return None,
        };
        let single_precision = array.data_type() == &DataType::Float32;
        Some(Self {
            values,
            array: array.clone(),
            single_precision,
        })
    }

    pub(crate) fn value(&self, row: usize) -> Option<f64> {
        self.array.is_valid(row).then(|| self.values[row])
    }

    /// A limit as this column would store it: 0.1 in single precision is a little more than 0.1.
    pub(super) fn as_stored(&self, limit: f64) -> f64 {
        if self.single_precision {
            f64::from(limit as f32)
        } else {
            limit
        }
    }
}
