//! Every way in which a pipeline can be wrong: one file per rule, which says in its first line what is reported.
//!
//! A file `tests/specs/invalid/<rule>.yaml` begins with `# expected: LINE:COLUMN: message`, where `-` stands for no
//! position, and may go on with `# hint: text`.

use std::error::Error as _;
use std::path::Path;

use mitune::pipeline::{PipelineError, parse};

use crate::fake::FakeKinds;

#[test]
fn every_invalid_pipeline_is_refused_with_its_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs/invalid");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 40, "only {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let line = |prefix: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(prefix))
                .map(str::to_owned)
        };
        let expected = line("# expected: ").unwrap_or_else(|| panic!("{name} does not say what is expected"));
        let expected = (expected.trim_start_matches("-: ").to_owned(), line("# hint: "));
        let found = match parse(Path::new(&name), &text, &[], &FakeKinds) {
            Ok(_) => ("accepted".to_owned(), None),
            Err(error) => (message(&name, &error), error.hint()),
        };
        if found != expected {
            wrong.push(format!("{name}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the message without the file name, with its cause.
fn message(name: &str, error: &PipelineError) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix(&format!("{name}:"))
        .unwrap_or(&text)
        .trim_start()
        .to_owned();
    match error.source() {
        Some(source) => format!("{text}: {source}"),
        None => text,
    }
}
