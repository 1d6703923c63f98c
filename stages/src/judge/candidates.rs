//! The images of the stage: named by their content and cut into blocks, and read again where they are judged.

use std::ops::Range;

use mitune_store::{Artifact, FamilyKey, ItemKey};

use super::listed_pairs::{ListedPair, ListedPairs};
use super::source::{JudgedSource, PAIRS};
use crate::contract::{KeyIngredients, StageContext, StageError};
use crate::items::candidate_blocks::{NamedCandidate, candidate_blocks};
use crate::items::item_blocks::Block;
use crate::items::row_reader::RowReader;
use crate::models::candidate_images::CandidateImage;
use crate::models::image_table::ImageColumns;

/// The images that are judged, in their order.
pub(super) enum Candidates<'a> {
    /// Those of a table.
    Table {
        table: &'a Artifact,
        columns: ImageColumns,
        rows: Box<RowReader<'a>>,
    },
    /// Those of a file of pairs.
    Pairs {
        listed: Box<ListedPairs>,
        /// Whether the judge asks about the noun phrases of the file.
        with_phrases: bool,
    },
}

impl<'a> Candidates<'a> {
    /// Opens the images for a judge, who may ask about noun phrases; `read_phrases` says whether any of the stage does.
    ///
    /// # Errors
    /// [`StageError::Changed`] if a file of pairs is not the one of the keys, or an error of reading.
    pub(super) fn open(
        context: &'a StageContext<'_>,
        source: &JudgedSource,
        with_phrases: bool,
        read_phrases: bool,
    ) -> Result<Self, StageError> {
        match source {
            JudgedSource::Table { port, .. } => {
                let table = context.input(port)?;
                let columns = ImageColumns::of(context.store(), table)?;
                let rows = RowReader::open(context.store(), table, columns.names())?;
                Ok(Self::Table {
                    table,
                    columns,
                    rows: Box::new(rows),
                })
            }
            JudgedSource::Pairs(path) => {
                let listed = ListedPairs::open(path, read_phrases)?;
                context.check_external(PAIRS, listed.digest())?;
                Ok(Self::Pairs {
                    listed: Box::new(listed),
                    with_phrases,
                })
            }
        }
    }

    /// Names all images, and groups those of one prompt whose seed indices belong to one batch.
    pub(super) fn blocks(
        &self,
        context: &StageContext<'_>,
        family: &FamilyKey,
        batch_size: u32,
        check_prompt: impl Fn(&str) -> Result<(), StageError>,
    ) -> Result<Vec<Block<Range<u64>>>, StageError> {
        let mut names = Vec::new();
        match self {
            Self::Table { table, columns, .. } => {
                let mut checked: Option<String> = None;
                let artifacts = context.store().artifacts();
                for batch in artifacts.read_table(table, Some(columns.names()))? {
                    let batch = batch?;
                    for row in 0..batch.num_rows() {
                        let candidate = columns.read(&batch, row)?;
                        let item = item(family, &candidate)?;
                        if checked.as_ref() != Some(&candidate.prompt) {
                            check_prompt(&candidate.prompt)?;
                            checked = Some(candidate.prompt);
                        }
                        names.push(NamedCandidate {
                            prompt_id: candidate.prompt_id,
                            seed_index: candidate.seed_index,
                            item,
                        });
                    }
                }
            }
            Self::Pairs { listed, with_phrases } => {
                for pair in listed.pairs() {
                    check_prompt(&pair.prompt)?;
                    names.push(NamedCandidate {
                        prompt_id: pair.prompt_id.clone(),
                        seed_index: pair.seed_index,
                        item: item_of_pair(family, pair, *with_phrases)?,
                    });
                }
            }
        }
        Ok(candidate_blocks(names, batch_size))
    }

    /// Reads the images of rows.
    pub(super) fn read(&mut self, wanted: &Range<u64>) -> Result<Vec<CandidateImage>, StageError> {
        match self {
            Self::Table { columns, rows, .. } => {
                let columns = *columns;
                rows.read(wanted, |batch, row| columns.read(batch, row))
            }
            Self::Pairs { listed, .. } => wanted.clone().map(|row| listed.read(row as usize)).collect(),
        }
    }

    /// The noun phrases of rows that a file of pairs has, where the judge asks about them.
    pub(super) fn phrases(&self, wanted: &Range<u64>) -> Vec<Option<&[String]>> {
        let phrases = |row: u64| match self {
            Self::Pairs {
                listed,
                with_phrases: true,
            } => listed.pairs().get(row as usize)?.phrases.as_deref(),
            _ => None,
        };
        wanted.clone().map(phrases).collect()
    }
}

/// Names an image by its prompt, its seed index and its bytes, or the latent that becomes it, wherever it came from.
fn item(family: &FamilyKey, candidate: &CandidateImage) -> Result<ItemKey, StageError> {
    let (kind, digest) = candidate.source.digest();
    let digest = digest.to_hex();
    let named = (
        candidate.prompt.as_str(),
        candidate.seed_index,
        kind,
        digest.as_str(),
    );
    Ok(KeyIngredients::item_key(family, &named)?)
}

/// Names an image of a file of pairs as [`item`] does, with its noun phrases where they are asked about.
fn item_of_pair(family: &FamilyKey, pair: &ListedPair, with_phrases: bool) -> Result<ItemKey, StageError> {
    let (kind, digest) = pair.image;
    let digest = digest.to_hex();
    let named = (pair.prompt.as_str(), pair.seed_index, kind, digest.as_str());
    Ok(match pair.phrases.as_ref().filter(|_| with_phrases) {
        Some(phrases) => KeyIngredients::item_key(family, &(named, phrases))?,
        None => KeyIngredients::item_key(family, &named)?,
    })
}
