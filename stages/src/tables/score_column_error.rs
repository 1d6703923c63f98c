use mitune_store::StoreError;

use super::columns::ColumnError;
use super::matching::SAME_CANDIDATES;
use crate::suggestion::did_you_mean;

/// Why a column does not give every candidate a number.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScoreColumnError {
    #[error("No score `{name}` among {found}{}", did_you_mean(.suggestion))]
    Unknown {
        name: String,
        suggestion: Option<String>,
        found: String,
    },
    #[error(
        "No score `{name}` among {found}: an earlier version generated these candidates; generate them again"
    )]
    Earlier { name: String, found: String },
    #[error("Score `{name}` is in {tables} of the connected tables, expected one")]
    Ambiguous { name: String, tables: usize },
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` has no `{name}`")]
    Missing {
        name: String,
        prompt_id: String,
        seed_index: u32,
        #[source]
        lack: Lack,
    },
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` has `{name}` twice in {table}")]
    Twice {
        name: String,
        prompt_id: String,
        seed_index: u32,
        table: String,
    },
    #[error(
        "`{name}` of candidate `{seed_index}` of prompt `{prompt_id}` is `{value}`, expected a finite number"
    )]
    NotFinite {
        name: String,
        prompt_id: String,
        seed_index: u32,
        value: f64,
    },
    #[error("Scores could not be read")]
    Store(#[from] StoreError),
    #[error("Scores could not be read")]
    Column(#[from] ColumnError),
}

impl ScoreColumnError {
    /// Returns what to do about it, where the message does not say so itself.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Missing {
                lack: Lack::Row { .. } | Lack::AnyRow { .. },
                ..
            } => Some(SAME_CANDIDATES.to_owned()),
            _ => None,
        }
    }
}

/// What a table lacks that does not give a candidate its number.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lack {
    #[error("{table} has a row of it, without a number")]
    Number { table: String },
    #[error("{table} has no row of it, only of {known} of the {candidates} candidates")]
    Row {
        table: String,
        known: usize,
        candidates: usize,
    },
    #[error("{table} is about other candidates: it has no row of any of these {candidates}")]
    AnyRow { table: String, candidates: usize },
}
