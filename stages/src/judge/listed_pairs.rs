//! The images and prompts of a file of pairs, known by what they are, whatever their files are called.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mitune_store::{ContentDigest, Digest};

use super::source::PAIRS;
use crate::contract::{Digested, ExternalDigests, FileIdentity, StageError};
use crate::ingest::prompts::PromptIdentity;
use crate::ingest::prompts::pairs::{Pair, Pairs};
use crate::models::candidate_images::CandidateImage;
use crate::tables::image_rows::{ENCODED, ImageSource};

/// The hash domain. A change of meaning takes a new one.
const CONTEXT: &str = "mitune 2026 pairs that are judged";

/// The column of noun phrases.
const CHUNKS: &str = "chunks";

/// The pairs of a file in its order, without their images.
pub(super) struct ListedPairs {
    path: PathBuf,
    pairs: Vec<ListedPair>,
    /// What is read next, if a reader is open.
    reader: Option<(Pairs, usize)>,
}

/// A pair without its image.
pub(super) struct ListedPair {
    pub(super) prompt_id: String,
    /// The prompt as it stands in the file: what white space around it means is for the judge to say.
    pub(super) prompt: String,
    /// How many pairs before it have the same prompt.
    pub(super) seed_index: u32,
    /// The noun phrases to ask about, where the file has them.
    pub(super) phrases: Option<Vec<String>>,
    /// What the image is made from, as keys have it.
    pub(super) image: (&'static str, blake3::Hash),
}

/// Why pairs cannot be judged.
#[derive(Debug, thiserror::Error)]
enum ListedPairsError {
    #[error("`{}` has no pairs", path.display())]
    Empty { path: PathBuf },
    #[error("`{}` cannot be looked at", path.display())]
    Look { path: PathBuf, source: std::io::Error },
    #[error("`{CHUNKS}` in row {row} of `{}` is no JSON list of texts, such as [\"a red car\", \"the sky\"]", path.display())]
    Chunks {
        path: PathBuf,
        row: u64,
        source: serde_json::Error,
    },
}

impl ListedPairs {
    /// Digests the file and all images for the keys.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if a file cannot be read.
    pub(super) fn external(
        path: &Path,
        with_phrases: bool,
        digests: &dyn ExternalDigests,
    ) -> Result<ContentDigest, StageError> {
        let files = files(path)?;
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let purpose = match with_phrases {
            true => "judged pairs with phrases/1",
            false => "judged pairs/1",
        };
        digests.digest(purpose, &files, &mut || {
            // Whatever changes between the two looks is no longer what the digest was made from.
            let before = identities(path)?;
            let digest = Self::open(path, with_phrases)?.digest();
            let after = identities(path)?;
            let same = |identity: &FileIdentity| after.contains(identity);
            Ok(Digested {
                digest,
                read: before.into_iter().filter(same).collect(),
            })
        })
    }

    /// Reads all pairs once.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if there are none or one cannot be read.
    pub(super) fn open(path: &Path, with_phrases: bool) -> Result<Self, StageError> {
        let mut reader = open_pairs(path, with_phrases)?;
        let mut pairs = Vec::new();
        let mut counts: HashMap<String, u32> = HashMap::new();
        while let Some(pair) = reader.next().transpose().map_err(StageError::configuration)? {
            let phrases = phrases(path, &reader, &pair).map_err(StageError::configuration)?;
            let prompt_id = PromptIdentity::new(None, None, PAIRS, &pair.prompt, 0).prompt_id();
            let count = counts.entry(prompt_id.clone()).or_default();
            let seed_index = *count;
            *count += 1;
            pairs.push(ListedPair {
                prompt_id,
                prompt: reader.written_prompt().to_owned(),
                seed_index,
                phrases,
                image: (ENCODED, blake3::hash(&pair.image)),
            });
        }
        match pairs.is_empty() {
            true => Err(StageError::configuration(ListedPairsError::Empty {
                path: path.to_owned(),
            })),
            false => Ok(Self {
                path: path.to_owned(),
                pairs,
                reader: None,
            }),
        }
    }

    /// The digest of prompts, phrases and images, in their order.
    pub(super) fn digest(&self) -> ContentDigest {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for pair in &self.pairs {
            part(pair.prompt.as_bytes());
            part(pair.image.1.as_bytes());
            // One more than there are, and 0 where the file has none.
            let phrases = pair.phrases.as_deref();
            part(
                &phrases
                    .map_or(0, |phrases| phrases.len() as u64 + 1)
                    .to_le_bytes(),
            );
            for phrase in phrases.unwrap_or_default() {
                part(phrase.as_bytes());
            }
        }
        ContentDigest::new(Digest::from(hasher.finalize()))
    }

    /// The pairs, in their order.
    pub(super) fn pairs(&self) -> &[ListedPair] {
        &self.pairs
    }

    /// Reads a pair with its image again.
    ///
    /// # Errors
    /// [`StageError::Changed`] if it is another one by now, [`StageError::Configuration`] if it cannot be read.
    pub(super) fn read(&mut self, row: usize) -> Result<CandidateImage, StageError> {
        let (mut reader, mut next) = match self.reader.take() {
            Some((reader, next)) if next <= row => (reader, next),
            _ => (open_pairs(&self.path, false)?, 0),
        };
        let changed = || StageError::Changed {
            input: PAIRS.to_owned(),
        };
        loop {
            let pair = reader.next().transpose().map_err(StageError::configuration)?;
            let pair = pair.ok_or_else(changed)?;
            next += 1;
            if next <= row {
                continue;
            }
            let known = self.pairs.get(row).ok_or_else(changed)?;
            if (ENCODED, blake3::hash(&pair.image)) != known.image || reader.written_prompt() != known.prompt
            {
                return Err(changed());
            }
            self.reader = Some((reader, next));
            return Ok(CandidateImage {
                prompt_id: known.prompt_id.clone(),
                prompt: known.prompt.clone(),
                seed_index: known.seed_index,
                source: ImageSource::Encoded(pair.image),
            });
        }
    }
}

fn open_pairs(path: &Path, with_phrases: bool) -> Result<Pairs, StageError> {
    let pairs = match with_phrases {
        true => Pairs::open_with(path, CHUNKS),
        false => Pairs::open(path),
    };
    pairs.map_err(StageError::configuration)
}

fn phrases(path: &Path, pairs: &Pairs, pair: &Pair) -> Result<Option<Vec<String>>, ListedPairsError> {
    let Some(json) = pairs.beside() else {
        return Ok(None);
    };
    serde_json::from_slice(json)
        .map(Some)
        .map_err(|source| ListedPairsError::Chunks {
            path: path.to_owned(),
            row: pair.row,
            source,
        })
}

/// The file of pairs and those of the images, each once.
fn files(path: &Path) -> Result<Vec<PathBuf>, StageError> {
    let mut files = vec![path.to_owned()];
    let mut pairs = open_pairs(path, false)?;
    while let Some(file) = pairs.next_file().map_err(StageError::configuration)? {
        files.extend(file);
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn identities(path: &Path) -> Result<Vec<FileIdentity>, StageError> {
    let identity = |path: PathBuf| match std::fs::metadata(&path) {
        Ok(metadata) => Ok(FileIdentity::of(&metadata)),
        Err(source) => Err(StageError::configuration(ListedPairsError::Look { path, source })),
    };
    files(path)?.into_iter().map(identity).collect()
}
