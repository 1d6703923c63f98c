//! Parquet files of Pick-a-Pic, v1 and v2, with both images of each pair inside.

use std::ops::ControlFlow;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};

use super::error::ImagesError;
use super::parquet_images::BATCH_ROWS;
use super::parquet_table::check_image;
use super::place::ImagePlace;
use super::rows::{Caption, GivenImage, RowImages, RowPlace, SourceRow};
use super::source::Visitor;
use crate::ingest::prompts::pairs::image_column::{Image, image};
use crate::ingest::prompts::parquet_file::{Batches, Numbers, ParquetFile};
use crate::ingest::prompts::parquet_text::TextColumn;

const CAPTION: &str = "caption";
const LABEL: &str = "label_0";
const HAS_LABEL: &str = "has_label";

/// The columns of the first and the second image.
const IMAGES: [&str; 2] = ["jpg_0", "jpg_1"];

/// Reads the pairs of a file. As in the training script of Diffusion-DPO, a row whose `label_0` is neither 1 nor 0 has no
/// winner; nor has one that says so in `has_label`.
pub(super) fn read(
    file: usize,
    path: &Path,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, ImagesError> {
    let opened = ParquetFile::open(path)?;
    opened.check_text(CAPTION)?;
    for column in IMAGES {
        check_image(path, column, opened.column_type(column)?)?;
    }
    let has_label = opened.has(HAS_LABEL).then_some(HAS_LABEL);
    let columns: Vec<&str> = [CAPTION, LABEL]
        .into_iter()
        .chain(IMAGES)
        .chain(has_label)
        .collect();
    let mut batches = opened.with_batch_rows(BATCH_ROWS).read(&columns, None)?;
    let mut first = 1;
    while let Some(batch) = batches.next_batch()? {
        let pairs = Pairs::of(&batches, &batch)?;
        for index in 0..batch.num_rows() {
            let row = first + index as u64;
            let flow = visitor(pairs.row(RowPlace { file, row }, index))?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        first += batch.num_rows() as u64;
    }
    Ok(ControlFlow::Continue(()))
}

/// The columns of a batch.
struct Pairs<'b> {
    batch: &'b RecordBatch,
    captions: TextColumn,
    labels: Numbers,
}

impl<'b> Pairs<'b> {
    fn of(batches: &Batches, batch: &'b RecordBatch) -> Result<Self, ImagesError> {
        Ok(Self {
            batch,
            captions: batches.text(batch, CAPTION)?,
            labels: batches.numbers(batch, LABEL)?,
        })
    }

    fn row(&self, at: RowPlace, index: usize) -> SourceRow {
        let caption = self.captions.bytes(index);
        let images = match self.preferred(index) {
            Some(winner) => RowImages::Pair {
                winner: self.image(at, index, winner),
                loser: self.image(at, index, 1 - winner),
            },
            None => RowImages::Tie,
        };
        SourceRow {
            at,
            caption: caption.map_or(Caption::Null, |text| Caption::Bytes(text.to_vec())),
            images,
            weight: None,
        }
    }

    /// Which of the two images is preferred, if one is.
    fn preferred(&self, index: usize) -> Option<usize> {
        let says = self.batch.column_by_name(HAS_LABEL);
        let says = says.and_then(|column| column.as_boolean_opt());
        if says.is_some_and(|says| says.is_valid(index) && !says.value(index)) {
            return None;
        }
        match self.labels.value(index) {
            Some(1.0) => Some(0),
            Some(0.0) => Some(1),
            _ => None,
        }
    }

    fn image(&self, at: RowPlace, index: usize, which: usize) -> GivenImage {
        let column = IMAGES[which];
        let place = ImagePlace::Parquet {
            file: at.file,
            row: at.row,
            column,
        };
        let found = self.batch.column_by_name(column);
        let bytes = found.and_then(|found| match image(found, index)? {
            Image::Bytes(bytes, _) => Some(bytes),
            Image::Path(_) => None,
        });
        GivenImage::read(place, bytes)
    }
}
