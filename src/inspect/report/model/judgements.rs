//! What judges said of single images.

use serde::Serialize;

/// What a judge said of one image in one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ImageJudgement {
    /// The name of the column.
    pub(crate) column: String,
    /// What the column means, with its unit.
    pub(crate) meaning: String,
    pub(crate) said: Said,
}

/// What a column holds for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    Number(f64),
    /// A word, or none.
    Word(Option<String>),
}
