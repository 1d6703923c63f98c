//! Runs that lack something.

use std::error::Error;

use mitune_store::{RunStatus, StageKey, Value};
use serde_json::json;

use super::html::{check_nesting, outline};
use super::{ReportError, ReportOptions, SMALL, page, quick, write_report};
use crate::inspect::report::fixture::{decode, study};

#[test]
fn a_missing_artifact_is_named() {
    let fixture = study(SMALL);
    let lost = fixture.record("test@2/random").outputs["candidates"].file;
    std::fs::remove_file(fixture.store.blobs().path(&lost).expect("there")).expect("removed");
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
    let path = fixture.store.blobs().path(&broken.file).expect("there");
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

/// The notes of a page.
fn notes(page: &str) -> &str {
    let notes = page.split("<aside").nth(1).expect("notes");
    notes.split("</aside>").next().expect("an end")
}

#[test]
fn images_that_cannot_be_decoded_are_explained() {
    let fixture = study(SMALL);
    let run = fixture.finish(RunStatus::Succeeded);
    let mut fails = |_: &[crate::inspect::report::LatentImage]| Err("No model at /home/me/models/sd".into());
    let options = ReportOptions {
        decoder: Some(&mut fails),
        ..quick()
    };
    let failed = write_report(&fixture.store, &run, options).expect("written");
    let without = write_report(&fixture.store, &run, quick()).expect("written");
    for (page, reason) in [
        (&failed, "No model at sd."),
        (&without, "No model was given to decode them with."),
    ] {
        check_nesting(page);
        // The pools hold pixels, the test images only latents.
        assert!(outline(page).contains(&"section candidates".to_owned()));
        assert!(!outline(page).contains(&"section compared".to_owned()));
        let note = notes(page)
            .split("<li>")
            .find(|note| note.contains("The images of test, test@2/mi_signed, test@2/random are not shown"))
            .expect("a note on the images that are compared");
        assert!(
            note.contains("they were stored as latents") && note.contains(reason),
            "{note}"
        );
        assert!(!page.contains("/home/me"));
    }
}

#[test]
fn no_more_is_decoded_than_is_shown() {
    let fixture = study(SMALL);
    let run = fixture.finish(RunStatus::Succeeded);
    let decoded = |decoded_places| {
        let mut decoded = 0;
        let mut counts = |latents: &[crate::inspect::report::LatentImage]| {
            decoded += latents.len();
            decode(latents)
        };
        let options = ReportOptions {
            decoder: Some(&mut counts),
            decoded_places,
            ..quick()
        };
        let page = write_report(&fixture.store, &run, options).expect("written");
        let compared = page.split("id=\"compared\"").nth(1).expect("there");
        let compared = compared.split("</section>").next().expect("an end");
        (decoded, compared.matches("<img ").count())
    };
    // 3 prompts, 3 images of each, by the base and two arms; only these hold latents.
    assert_eq!(decoded(usize::MAX), (27, 27));
    // Latents of the fixture have 32 x 32 places: 12 images, 4 of each model, as 2 images of 2 prompts.
    assert_eq!(decoded(12 * 32 * 32), (12, 12));
    // A comparison has at least one image of each model.
    assert_eq!(decoded(0), (3, 3));
}

#[test]
fn a_decoder_that_loses_images_is_an_error() {
    let fixture = study(SMALL);
    let run = fixture.finish(RunStatus::Succeeded);
    let mut short = |latents: &[crate::inspect::report::LatentImage]| decode(&latents[1..]);
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
