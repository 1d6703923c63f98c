//! Pairs with their pictures, read one after the other.

use std::path::{Path, PathBuf};

use mitune_diffusion::image::ImageError;
use mitune_judges::picture::Picture;

use crate::contract::StageError;
use crate::ingest::prompts::pairs::{Pair, Pairs};
use crate::score::given_pairs::pair_file::{self, name};

/// A pair as it is judged.
pub(super) struct Asked {
    /// Its row in the file, from 1.
    pub(super) row: u64,
    pub(super) image: Option<String>,
    /// The prompt as it stands in the file: what white space around it means is for the judge to say.
    pub(super) prompt: String,
    pub(super) picture: Picture,
    /// The phrases to ask about, where the file has them.
    pub(super) phrases: Option<Vec<String>>,
}

/// The pairs of a file.
pub(super) struct AskedPairs {
    path: PathBuf,
    pairs: Pairs,
}

/// The column of noun phrases.
const CHUNKS: &str = "chunks";

/// A pair that cannot be judged.
#[derive(Debug, thiserror::Error)]
enum AskedPairError {
    #[error("{image} cannot be read")]
    Undecodable { image: String, source: ImageError },
    #[error("`{CHUNKS}` in row {row} of `{}` is no JSON list of texts, such as [\"a red car\", \"the sky\"]", path.display())]
    Chunks {
        path: PathBuf,
        row: u64,
        source: serde_json::Error,
    },
}

impl AskedPairs {
    /// Opens a file of pairs, with the column `chunks` if it is wanted and there.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if it cannot be read.
    pub(super) fn open(path: &Path, with_phrases: bool) -> Result<Self, StageError> {
        let pairs = match with_phrases {
            true => Pairs::open_with(path, CHUNKS).map_err(StageError::configuration)?,
            false => pair_file::open(path)?,
        };
        Ok(Self {
            path: path.to_owned(),
            pairs,
        })
    }

    /// Reads the next pair; none at the end.
    ///
    /// # Errors
    /// [`StageError::Configuration`] that names the row.
    pub(super) fn next_pair(&mut self) -> Result<Option<Asked>, StageError> {
        let Some(pair) = self.pairs.next().transpose().map_err(StageError::configuration)? else {
            return Ok(None);
        };
        let picture = Picture::decode(&pair.image).map_err(|source| {
            let image = name(&self.path, pair.path.as_deref(), pair.row);
            StageError::configuration(AskedPairError::Undecodable { image, source })
        })?;
        let phrases = self.phrases(&pair)?;
        Ok(Some(Asked {
            row: pair.row,
            image: pair.path,
            prompt: self.pairs.written_prompt().to_owned(),
            picture,
            phrases,
        }))
    }

    fn phrases(&self, pair: &Pair) -> Result<Option<Vec<String>>, StageError> {
        let Some(json) = self.pairs.beside() else {
            return Ok(None);
        };
        serde_json::from_slice(json).map(Some).map_err(|source| {
            StageError::configuration(AskedPairError::Chunks {
                path: self.path.clone(),
                row: pair.row,
                source,
            })
        })
    }
}
