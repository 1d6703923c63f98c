//! `mitune store reindex`

use mitune_store::Store;
use serde_json::json;

use crate::failure::Failure;
use crate::ui::{line, print_json};

pub(crate) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let Some(records) = store.catalog().reindex()? else {
        let error =
            "No index can be written: another process of this host uses it, or `MITUNE_INDEX` turns it off";
        return Err(Failure::usage(error).with_hint("Nothing depends on it: answers are read from the files"));
    };
    if json {
        return print_json(&json!({ "records": records }));
    }
    line(format!("{records} records"))
}
