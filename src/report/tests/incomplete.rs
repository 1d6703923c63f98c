//! Runs that lack something.

use std::error::Error;

use mitune_store::{RunStatus, StageKey, Value};
use serde_json::json;

use super::super::fixture::{decode, study};
use super::html::{check_nesting, outline};
use super::{ReportError, ReportOptions, SMALL, page, quick, write_report};

#[test]
fn a_missing_artifact_is_named() {
    let fixture = study(SMALL);
    let lost = fixture.record("test@2/random").outputs["candidates"].file;
    std::fs::remove_file(fixture.store.path(&lost).expect("there")).expect("removed");
    let error = page(&fixture).expect_err("lost");
    assert!(matches!(error, ReportError::MissingResult { .. }), "{error:?}");
    assert!(error.to_string().contains("`test@2/random`"), "{error}");
    let source = error.source().expect("a cause").to_string();
    assert!(source.contains(&lost.to_string()), "{source}");
}

#[test]
fn a_damaged_artifact_is_named() {
    let fixture = study(SMALL);
    let broken = &fixture.record("test_evaluation").outputs["rows"];
    let path = fixture.store.path(&broken.file).expect("there");
    let mut bytes = std::fs::read(&path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, bytes).expect("written");
    let error = page(&fixture).expect_err("damaged");
    assert!(matches!(error, ReportError::Output { .. }), "{error:?}");
    assert!(
        error.to_string().contains("`rows` of stage `test_evaluation`"),
        "{error}"
    );
}

#[test]
fn a_run_that_failed_tells_what_it_has() {
    let fixture = study(SMALL);
    let key = StageKey::derive(&Value::from("never computed")).expect("canonical");
    fixture.event(
        "stage_started",
        &[("stage", json!("late@2/mi_signed")), ("key", json!(key))],
    );
    let causes = json!(["Stage `late` failed", "Disk <full>"]);
    fixture.event(
        "stage_failed",
        &[("stage", json!("late@2/mi_signed")), ("error", causes)],
    );
    let run = fixture.finish(RunStatus::Failed);
    let page = write_report(&fixture.store, &run, quick()).expect("written");
    check_nesting(&page);
    assert!(page.contains("The run failed: what follows is what it had until then."));
    assert!(page.contains("Failed: Stage `late` failed: Disk &lt;full&gt;"));
    assert!(page.contains("<td>none yet</td>"));
    assert!(outline(&page).contains(&"section alignment".to_owned()));
    // The same run, had it claimed to have succeeded, lacks a result.
    let run = fixture.finish(RunStatus::Succeeded);
    let error = write_report(&fixture.store, &run, quick()).expect_err("missing");
    assert!(error.to_string().contains("`late@2/mi_signed`"), "{error}");
}

#[test]
fn decoders_that_fail_are_reported() {
    let fixture = study(SMALL);
    let run = fixture.finish(RunStatus::Succeeded);
    let mut fails = |_: &[super::super::LatentImage]| Err("no model".into());
    let options = ReportOptions {
        decoder: Some(&mut fails),
        ..quick()
    };
    let error = write_report(&fixture.store, &run, options).expect_err("no images");
    assert!(error.to_string().contains("Images of stage `test`"), "{error}");
    let mut short = |latents: &[super::super::LatentImage]| decode(&latents[1..]);
    let options = ReportOptions {
        decoder: Some(&mut short),
        ..quick()
    };
    let error = write_report(&fixture.store, &run, options).expect_err("too few");
    assert!(
        matches!(
            error,
            ReportError::DecodedCount {
                expected: 9,
                found: 8,
                ..
            }
        ),
        "{error:?}"
    );
}
