//! Whose version of a method is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of a method whose paper and code compute different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Formulation {
    /// What the paper writes.
    Paper,
    /// What the code of its authors computes, which their results were made with. The default.
    #[default]
    Reference,
}
