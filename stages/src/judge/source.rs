//! What is judged: where it stands in settings, on ports and in keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mitune_store::ContentDigest;

use super::listed_pairs::ListedPairs;
use crate::contract::reference::Reference;
use crate::contract::{Content, ExternalDigests, InputPort, StageDefaults, StageError};

/// What is judged.
pub(super) enum JudgedSource {
    /// A table that another stage made.
    Table {
        port: &'static str,
        accepts: &'static [Content],
        reference: Reference,
    },
    /// A file of images and prompts, as seen from the working directory.
    Pairs(PathBuf),
}

/// What keys call the file of pairs.
pub(super) const PAIRS: &str = "pairs";

/// The ports on which a table may come, of which at most one is connected.
pub(super) const TABLE_PORTS: [&str; 2] = ["candidates", "images"];

/// Settings that do not say what is judged, or say it twice.
#[derive(Debug, thiserror::Error)]
#[error("One of the settings `candidates`, `images` and `pairs` says what is judged, found {0} of them")]
pub(super) struct JudgedSourceError(usize);

impl JudgedSource {
    /// Chooses what is judged.
    pub(super) fn choose(
        candidates: Option<&Reference>,
        images: Option<&Reference>,
        pairs: Option<&Path>,
        defaults: &StageDefaults,
    ) -> Result<Self, JudgedSourceError> {
        let table = |port: &'static str, accepts: &'static [Content], reference: &Reference| Self::Table {
            port,
            accepts,
            reference: reference.clone(),
        };
        let [candidates_port, images_port] = TABLE_PORTS;
        match (candidates, images, pairs) {
            (Some(reference), None, None) => Ok(table(candidates_port, &[Content::Candidates], reference)),
            (None, Some(reference), None) => Ok(table(images_port, &[Content::Images], reference)),
            (None, None, Some(path)) => Ok(Self::Pairs(defaults.resolve(path))),
            (candidates, images, pairs) => {
                let found = [candidates.is_some(), images.is_some(), pairs.is_some()];
                Err(JudgedSourceError(
                    found.into_iter().filter(|found| *found).count(),
                ))
            }
        }
    }

    /// The port of the table, if it is one.
    pub(super) fn port(&self) -> Option<InputPort> {
        match self {
            &Self::Table {
                port,
                accepts,
                ref reference,
            } => Some(InputPort::one(port, accepts, reference)),
            Self::Pairs(_) => None,
        }
    }

    /// Rows of the table, if they are known.
    pub(super) fn rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<u64> {
        match self {
            Self::Table { port, .. } => rows(port),
            Self::Pairs(_) => None,
        }
    }

    /// Digests the file of pairs with all images; `with_phrases` says whether anybody reads noun phrases.
    pub(super) fn external(
        &self,
        with_phrases: bool,
        digests: &dyn ExternalDigests,
    ) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        match self {
            Self::Table { .. } => Ok(BTreeMap::new()),
            Self::Pairs(path) => {
                let digest = ListedPairs::external(path, with_phrases, digests)?;
                Ok(BTreeMap::from([(PAIRS.to_owned(), digest)]))
            }
        }
    }
}
