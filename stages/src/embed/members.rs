//! What is embedded: the images of a table, each of them once, named by their content and read again where they are
//! embedded.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use mitune_store::{Artifact, FamilyKey, ItemKey, Store};

use super::stage::PAIRS;
use crate::contract::{KeyIngredients, StageError};
use crate::items::row_reader::RowReader;
use crate::models::candidate_images::CandidateImage;
use crate::models::image_table::ImageColumns;
use crate::tables::image_rows::ImageSource;
use crate::tables::pairs::PairRows;

/// The columns of a table of pairs.
const PAIR_COLUMNS: [&str; 7] = [
    "prompt_id",
    "prompt",
    "preferred_seed_index",
    "rejected_seed_index",
    "preferred_latent",
    "rejected_latent",
    "latent_shape",
];

/// The table whose images are embedded.
pub(super) struct Members<'a> {
    store: &'a Store,
    table: &'a Artifact,
    columns: MemberColumns,
    rows: RowReader<'a>,
}

/// How many images a row has, and where.
#[derive(Clone, Copy)]
enum MemberColumns {
    One(ImageColumns),
    Pair,
}

/// An image without its pixels.
#[derive(Clone)]
pub(super) struct Member {
    /// Its row in the table.
    row: u64,
    /// Its place among those of the row: of a pair, the preferred one is the first.
    place: usize,
    pub(super) prompt_id: String,
    pub(super) item: ItemKey,
}

/// One candidate that is two images.
#[derive(Debug, thiserror::Error)]
#[error(
    "Candidate `{seed_index}` of prompt `{prompt_id}` has another image in row {row} than in a row before it"
)]
struct TwoImages {
    prompt_id: String,
    seed_index: u32,
    row: u64,
}

impl MemberColumns {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::One(columns) => columns.names(),
            Self::Pair => &PAIR_COLUMNS,
        }
    }

    /// Reads the images of a row.
    fn read(self, batch: &RecordBatch, row: usize) -> Result<Vec<CandidateImage>, StageError> {
        let columns = match self {
            Self::One(columns) => columns,
            Self::Pair => return pair(batch, row),
        };
        Ok(vec![columns.read(batch, row)?])
    }
}

fn pair(batch: &RecordBatch, row: usize) -> Result<Vec<CandidateImage>, StageError> {
    let rows = PairRows::of(batch).map_err(StageError::failed)?;
    let pair = rows.pair(row).map_err(StageError::failed)?;
    let (prompt_id, prompt) = (pair.prompt_id, pair.prompt);
    let members = [pair.preferred, pair.rejected].map(|member| CandidateImage {
        prompt_id: prompt_id.clone(),
        prompt: prompt.clone(),
        seed_index: member.seed_index,
        source: ImageSource::Latent(member.latent),
    });
    Ok(members.into())
}

impl<'a> Members<'a> {
    /// Opens the table on a port.
    ///
    /// # Errors
    /// An error of the store.
    pub(super) fn open(store: &'a Store, table: &'a Artifact, port: &str) -> Result<Self, StageError> {
        let columns = match port {
            PAIRS => MemberColumns::Pair,
            _ => MemberColumns::One(ImageColumns::of(store, table)?),
        };
        Ok(Self {
            store,
            table,
            columns,
            rows: RowReader::open(store, table, columns.names())?,
        })
    }

    /// Names the images in their order, each where it stands first.
    ///
    /// # Errors
    /// [`StageError::Failed`] if a row cannot be read or a candidate is two images, or an error of the store.
    pub(super) fn names(&self, family: &FamilyKey) -> Result<Vec<Member>, StageError> {
        let columns = self.columns;
        let mut names = Vec::new();
        let mut known: HashMap<(String, u32), ItemKey> = HashMap::new();
        let mut first = 0;
        for batch in self
            .store
            .artifacts()
            .read_table(self.table, Some(columns.names()))?
        {
            let batch = batch?;
            for (row, number) in (0..batch.num_rows()).zip(first..) {
                for (place, image) in columns.read(&batch, row)?.into_iter().enumerate() {
                    let item = item(family, &image)?;
                    let name = (image.prompt_id.clone(), image.seed_index);
                    match known.insert(name, item) {
                        None => names.push(Member {
                            row: number,
                            place,
                            prompt_id: image.prompt_id,
                            item,
                        }),
                        Some(before) if before == item => {}
                        Some(_) => {
                            return Err(StageError::failed(TwoImages {
                                prompt_id: image.prompt_id,
                                seed_index: image.seed_index,
                                row: number + 1,
                            }));
                        }
                    }
                }
            }
            first += batch.num_rows() as u64;
        }
        Ok(names)
    }

    /// Reads images again.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub(super) fn read(&mut self, wanted: &[&Member]) -> Result<Vec<CandidateImage>, StageError> {
        let columns = self.columns;
        let mut images = Vec::with_capacity(wanted.len());
        for member in wanted {
            let row = member.row..member.row + 1;
            let found = self.rows.read(&row, |batch, row| columns.read(batch, row))?;
            images.extend(found.into_iter().flatten().nth(member.place));
        }
        Ok(images)
    }
}

/// Names an image by its prompt, its seed index and what it is made from, wherever it came from.
fn item(family: &FamilyKey, image: &CandidateImage) -> Result<ItemKey, StageError> {
    let (kind, digest) = image.source.digest();
    let digest = digest.to_hex();
    let named = (image.prompt.as_str(), image.seed_index, kind, digest.as_str());
    Ok(KeyIngredients::item_key(family, &named)?)
}
