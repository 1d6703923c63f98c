//! `mitune store show`

use mitune_store::Store;

use super::find;
use crate::failure::Failure;
use crate::inspect::stored_result::StoredResult;
use crate::ui::print_json;

/// Prints the records behind a digest or key with what their keys are derived from.
pub(crate) fn run(store: &Store, text: &str) -> Result<(), Failure> {
    let digits = find::digits(text)?;
    let results = StoredResult::beginning_with(store, &digits)?;
    if results.is_empty() {
        return Err(
            Failure::usage(format!("Nothing in the store begins with `{digits}`"))
                .with_hint("`mitune store ls` lists artifacts"),
        );
    }
    // As a value first, so that fields stand in the order of their names.
    print_json(&serde_json::to_value(&results)?)
}
