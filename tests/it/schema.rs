//! The JSON schema that is committed for editors.

use std::path::Path;

use crate::program::run_real;

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run_real(folder.path(), &["schema"]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/schema.json");
    let committed = std::fs::read_to_string(committed).unwrap_or_default();
    assert!(
        printed.stdout == committed,
        "pipelines/schema.json is not current; write it with `cargo run --release -- schema > pipelines/schema.json`"
    );
}
