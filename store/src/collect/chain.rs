//! The way from a root to something it keeps.

use std::fmt;

use serde::Serialize;

use crate::names::{PinName, RunId};

/// What a way begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// A pin.
    Pin(PinName),
    /// A run.
    Run(RunId),
    /// Somebody works on it.
    Lease,
    /// A record that is kept for its age alone.
    Recent,
}

/// A way from a root to something it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Where it begins.
    pub root: Root,
    /// What it passes, the wanted thing last.
    pub steps: Vec<ChainStep>,
}

/// One thing on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainStep {
    /// What it is, such as ``stage `generate` `` or ``output `candidates` ``.
    pub what: String,
    /// Its digest or key.
    pub digest: String,
}

impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(name) => write!(formatter, "pin `{name}`"),
            Self::Run(run) => write!(formatter, "run {run}"),
            Self::Lease => formatter.write_str("lease"),
            Self::Recent => formatter.write_str("recent record"),
        }
    }
}
