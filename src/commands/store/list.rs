//! `mitune store ls`

use mitune_store::Store;
use serde_json::json;

use crate::failure::Failure;
use crate::ui::{Table, bytes, moment, print_json};

pub(crate) fn run(store: &Store, stage: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut artifacts = store.artifacts()?;
    artifacts.retain(|listed| stage.is_none_or(|stage| listed.stage == stage));
    if json {
        let entries = artifacts.iter().map(|listed| {
            json!({
                "digest": listed.artifact.file,
                "content": listed.artifact.content,
                "kind": listed.artifact.kind,
                "bytes": listed.artifact.bytes,
                "rows": listed.artifact.rows,
                "created": moment(listed.created),
                "stage": listed.stage,
                "port": listed.port,
                "key": listed.key,
            })
        });
        return print_json(&entries.collect::<Vec<_>>());
    }
    let mut table = Table::with_headings(["DIGEST", "KIND", "SIZE", "ROWS", "CREATED", "STAGE", "OUTPUT"]);
    for listed in artifacts {
        table.row([
            listed.artifact.file.short(),
            listed.artifact.kind.as_str().to_owned(),
            bytes(listed.artifact.bytes),
            listed
                .artifact
                .rows
                .map_or_else(|| "-".to_owned(), |rows| rows.to_string()),
            moment(listed.created),
            listed.stage,
            listed.port,
        ]);
    }
    table.print()
}
