//! Names of runs.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

use super::text_form::written_as_text;
use crate::timestamp::Timestamp;

/// Identifies a run; sorts by the time it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Ulid);

impl RunId {
    /// Returns when the run began, by the clock of its host.
    pub fn time(&self) -> Timestamp {
        Timestamp(self.0.timestamp_ms())
    }

    /// Makes a new identifier from the time and chance.
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RunId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_string(text).map(Self)
    }
}

written_as_text!(RunId);
