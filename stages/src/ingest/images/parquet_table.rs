//! Tables of images as Parquet.

use std::ops::ControlFlow;
use std::path::Path;

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::error::ImagesError;
use super::parquet_images::BATCH_ROWS;
use super::place::ImagePlace;
use super::rows::{Caption, GivenImage, RowImages, RowPlace, SourceRow};
use super::source::Visitor;
use super::table::{Columns, PROMPT, WEIGHT};
use super::text_table::checked_weight;
use crate::ingest::prompts::pairs::image_column::{Image, image};
use crate::ingest::prompts::parquet_file::{Batches, Numbers, ParquetFile, column_type};
use crate::ingest::prompts::parquet_text::TextColumn;

/// Tells the columns of a file.
pub(super) fn columns(path: &Path) -> Result<Columns, ImagesError> {
    Columns::among(path, &ParquetFile::open(path)?.names())
}

/// Whether a column of images holds paths.
pub(super) fn names_files(path: &Path) -> Result<bool, ImagesError> {
    let opened = ParquetFile::open(path)?;
    for column in columns(path)?.images() {
        if opened.column_type(column)? == &DataType::Utf8 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Hands over the rows of a file. An image is a path relative to the file, plain bytes, or a struct that has its `bytes`,
/// as the image feature of Hugging Face is.
pub(super) fn read(
    file: usize,
    path: &Path,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, ImagesError> {
    let columns = columns(path)?;
    let opened = ParquetFile::open(path)?;
    opened.check_text(PROMPT)?;
    for column in columns.images() {
        check_image(path, column, opened.column_type(column)?)?;
    }
    let weight = columns.is_weighted().then_some(WEIGHT);
    let wanted: Vec<&str> = columns
        .images()
        .iter()
        .copied()
        .chain([PROMPT])
        .chain(weight)
        .collect();
    let mut batches = opened.with_batch_rows(BATCH_ROWS).read(&wanted, None)?;
    let mut first = 1;
    while let Some(batch) = batches.next_batch()? {
        let rows = Rows::of(path, columns, &batches, &batch)?;
        for index in 0..batch.num_rows() {
            let row = first + index as u64;
            let flow = visitor(rows.row(RowPlace { file, row }, index)?)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        first += batch.num_rows() as u64;
    }
    Ok(ControlFlow::Continue(()))
}

/// Checks that a column can hold images, or their paths.
pub(super) fn check_image(path: &Path, column: &str, found: &DataType) -> Result<(), ImagesError> {
    let is_image = match found {
        DataType::Utf8 | DataType::Binary | DataType::Null => true,
        DataType::Struct(fields) => fields
            .find("bytes")
            .is_some_and(|(_, field)| field.data_type() == &DataType::Binary),
        _ => false,
    };
    match is_image {
        true => Ok(()),
        false => {
            let expected = "an image: a struct with bytes, bytes or a path";
            Err(column_type(path, column, expected, found).into())
        }
    }
}

/// The columns of a batch.
struct Rows<'b> {
    path: &'b Path,
    columns: Columns,
    batch: &'b RecordBatch,
    prompts: TextColumn,
    weights: Option<Numbers>,
}

impl<'b> Rows<'b> {
    fn of(
        path: &'b Path,
        columns: Columns,
        batches: &Batches,
        batch: &'b RecordBatch,
    ) -> Result<Self, ImagesError> {
        let weights = columns.is_weighted().then(|| batches.numbers(batch, WEIGHT));
        Ok(Self {
            path,
            columns,
            batch,
            prompts: batches.text(batch, PROMPT)?,
            weights: weights.transpose()?,
        })
    }

    fn row(&self, at: RowPlace, index: usize) -> Result<SourceRow, ImagesError> {
        let prompt = self.prompts.bytes(index);
        let weight = self.weights.as_ref().map(|weights| {
            let weight = weights.value(index);
            let found = weight.map_or(String::new(), |weight| weight.to_string());
            checked_weight(self.path, at.row, weight, &found)
        });
        let images = match self.columns.images() {
            [winner, loser] => RowImages::Pair {
                winner: self.image(at, index, winner),
                loser: self.image(at, index, loser),
            },
            [image, ..] => RowImages::One(self.image(at, index, image)),
            [] => RowImages::One(GivenImage::at(ImagePlace::Nowhere)),
        };
        Ok(SourceRow {
            at,
            caption: prompt.map_or(Caption::Null, |text| Caption::Bytes(text.to_vec())),
            images,
            weight: weight.transpose()?,
        })
    }

    fn image(&self, at: RowPlace, index: usize, column: &'static str) -> GivenImage {
        let found = self.batch.column_by_name(column);
        match found.and_then(|found| image(found, index)) {
            Some(Image::Bytes(bytes, _)) => {
                let place = ImagePlace::Parquet {
                    file: at.file,
                    row: at.row,
                    column,
                };
                GivenImage::read(place, Some(bytes))
            }
            Some(Image::Path(image)) if found.is_some_and(|found| found.data_type() == &DataType::Utf8) => {
                let folder = self.path.parent().unwrap_or(Path::new(""));
                GivenImage::at(ImagePlace::File(folder.join(image)))
            }
            Some(Image::Path(_)) | None => GivenImage::at(ImagePlace::Nowhere),
        }
    }
}
