//! `mitune store show`

use mitune_store::{ActionRecord, Store};
use serde_json::json;

use super::find;
use crate::failure::Failure;
use crate::ui::print_json;

/// Prints the records behind a digest or key with what their keys are derived from.
pub(crate) fn run(store: &Store, text: &str) -> Result<(), Failure> {
    let digits = find::digits(text)?;
    let begins = |digest: String| digest.starts_with(&digits);
    let mut records: Vec<ActionRecord> = store
        .actions()?
        .filter(|record| {
            begins(record.key.to_string())
                || record
                    .outputs
                    .values()
                    .any(|artifact| begins(artifact.file.to_string()) || begins(artifact.content.to_string()))
        })
        .collect();
    if records.is_empty() {
        return Err(
            Failure::usage(format!("Nothing in the store begins with `{digits}`"))
                .with_hint("`mitune store ls` lists artifacts"),
        );
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.ended));
    let documents = records.iter().map(|record| {
        // A preimage that is gone leaves the rest worth showing.
        json!({ "record": record, "preimage": store.read_preimage(&record.preimage).ok() })
    });
    print_json(&documents.collect::<Vec<_>>())
}
