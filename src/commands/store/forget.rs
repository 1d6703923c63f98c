//! `mitune store forget`

use mitune_store::{ActionRecord, Store};

use super::find;
use crate::failure::Failure;
use crate::ui::line;

/// Disowns the result of the one stage whose key begins with the given digits.
pub(crate) fn run(store: &Store, text: &str, why: &str) -> Result<(), Failure> {
    let digits = find::digits(text)?;
    let found: Vec<ActionRecord> = store
        .catalog()
        .actions()?
        .filter(|record| record.key.to_string().starts_with(&digits))
        .collect();
    let record = match found.as_slice() {
        [record] => record,
        [] => {
            return Err(Failure::usage(format!("No stage key begins with `{digits}`"))
                .with_hint("`mitune store ls --json` lists them"));
        }
        [one, other, ..] => return Err(find::ambiguous(&digits, "", [one.key.short(), other.key.short()])),
    };
    let count = store.records().forget(&record.key, why)?;
    store.flush_remotes();
    let shards = match count.saturating_sub(1) {
        0 => String::new(),
        count => format!(" and {count} shards of its rows"),
    };
    line(format!(
        "Disowned the result of `{}` `{}`{shards}; the next run computes it again",
        record.stage,
        record.key.short()
    ))
}
