//! Parts of a stage key that changed, as JSON says it.

use mitune_store::Difference;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

#[derive(Serialize)]
struct KeyChange<'a> {
    before: Value,
    now: Value,
    path: &'a str,
}

/// Writes changes with what was before and what is now.
pub(super) fn as_key_changes<S: Serializer>(
    changes: &[Difference],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(changes.iter().map(|change| KeyChange {
        before: json!(change.left),
        now: json!(change.right),
        path: &change.path,
    }))
}
