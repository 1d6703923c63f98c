//! The candidates of the stage: named by their content and cut into blocks, and read again where they are judged.

use std::ops::Range;

use arrow_array::RecordBatch;
use mitune_store::{FamilyKey, ItemKey, TableReader};

use crate::contract::{KeyIngredients, StageContext, StageError};
use crate::items::item_blocks::Block;
use crate::models::candidate_images::{CandidateImage, CandidateImageError};
use crate::tables::image_rows::{IMAGE_COLUMNS, ImageRows, ImageSource};

/// Reads all candidates once, and groups those of one prompt whose seed indices belong to one batch.
pub(super) fn blocks(
    context: &StageContext<'_>,
    family: &FamilyKey,
    batch_size: u32,
    check_prompt: impl Fn(&str) -> Result<(), StageError>,
) -> Result<Vec<Block<Range<u64>>>, StageError> {
    let mut blocks: Vec<Block<Range<u64>>> = Vec::new();
    let mut last: Option<(String, u32)> = None;
    let mut row = 0;
    for batch in open(context)? {
        for candidate in CandidateImage::of_batch(&batch?).map_err(StageError::failed)? {
            let item = item(family, &candidate)?;
            let group = (candidate.prompt_id, candidate.seed_index / batch_size);
            match blocks.last_mut() {
                Some(block) if last.as_ref() == Some(&group) => {
                    block.items.push(item);
                    block.work.end = row + 1;
                }
                _ => {
                    check_prompt(&candidate.prompt)?;
                    blocks.push(Block {
                        work: row..row + 1,
                        prompt_id: group.0.clone(),
                        items: vec![item],
                    });
                    last = Some(group);
                }
            }
            row += 1;
        }
    }
    Ok(blocks)
}

/// Names a candidate by its prompt, its seed index and the bytes of its image, or the latent that becomes one, wherever
/// it came from.
fn item(family: &FamilyKey, candidate: &CandidateImage) -> Result<ItemKey, StageError> {
    let (kind, digest) = match &candidate.source {
        ImageSource::Encoded(bytes) => ("image", blake3::hash(bytes)),
        ImageSource::Latent(latent) => {
            let mut hasher = blake3::Hasher::new();
            for extent in latent.shape {
                hasher.update(&(extent as u64).to_le_bytes());
            }
            for value in &latent.values {
                hasher.update(&value.to_le_bytes());
            }
            ("latent", hasher.finalize())
        }
    };
    let digest = digest.to_hex();
    let named = (
        candidate.prompt.as_str(),
        candidate.seed_index,
        kind,
        digest.as_str(),
    );
    Ok(KeyIngredients::item_key(family, &named)?)
}

/// Reads candidates by their rows. It is quick for rows that lie behind those asked for before, and keeps few in memory.
pub(super) struct CandidateRows<'a> {
    context: &'a StageContext<'a>,
    reader: TableReader,
    batch: Option<RecordBatch>,
    /// Row of the table that the batch begins with.
    start: u64,
}

impl<'a> CandidateRows<'a> {
    pub(super) fn open(context: &'a StageContext<'a>) -> Result<Self, StageError> {
        Ok(Self {
            context,
            reader: open(context)?,
            batch: None,
            start: 0,
        })
    }

    pub(super) fn read(&mut self, wanted: &Range<u64>) -> Result<Vec<CandidateImage>, StageError> {
        // What another process had begun and did not finish lies before what was read last.
        if wanted.start < self.start {
            *self = Self::open(self.context)?;
        }
        let mut found = Vec::new();
        for row in wanted.clone() {
            let (batch, offset) = self.batch_with(row)?;
            let candidate = ImageRows::of(batch)
                .map_err(CandidateImageError::from)
                .and_then(|images| CandidateImage::of_row(&images, offset));
            found.push(candidate.map_err(StageError::failed)?);
        }
        Ok(found)
    }

    /// Returns the batch that holds a row of the table, and the row's place in it.
    fn batch_with(&mut self, row: u64) -> Result<(&RecordBatch, usize), StageError> {
        loop {
            let length = self.batch.as_ref().map_or(0, RecordBatch::num_rows) as u64;
            if row < self.start + length {
                break;
            }
            self.start += length;
            let next = self.reader.next().ok_or_else(|| StageError::failed(Shorter))?;
            self.batch = Some(next?);
        }
        let offset = (row - self.start) as usize;
        let batch = self.batch.as_ref().map(|batch| (batch, offset));
        batch.ok_or_else(|| StageError::failed(Shorter))
    }
}

/// A table with fewer rows than it had.
#[derive(Debug, thiserror::Error)]
#[error("Table of candidates became shorter while it was read")]
struct Shorter;

fn open(context: &StageContext<'_>) -> Result<TableReader, StageError> {
    let candidates = context.input("candidates")?;
    Ok(context.store().read_table(candidates, Some(&IMAGE_COLUMNS))?)
}
