//! The pipelines that a user finds in `pipelines/`.

use std::path::Path;

use crate::program::run_real;

#[test]
fn every_shipped_pipeline_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let ended = run_real(elsewhere.path(), &["plan", path.to_str().unwrap()]);
        // Pipelines of models that do not ship get as far as the missing model.
        let missing_model = ended.code == Some(2) && ended.stderr.contains("is not a model folder");
        let missing_file = ended.code == Some(2) && ended.stderr.contains("No such file");
        assert!(
            ended.code == Some(0) || missing_model || missing_file,
            "{}: {}",
            path.display(),
            ended.stderr
        );
    }
    assert!(count >= 2, "only {count} pipelines");
}
