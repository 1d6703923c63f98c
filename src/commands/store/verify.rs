//! `mitune store verify`

use mitune_store::{Store, VerifyDepth};
use serde_json::json;

use crate::failure::Failure;
use crate::ui::{bytes, line, print_json};

/// Checks the store and returns 1 if something is wrong with it.
pub(crate) fn run(store: &Store, full: bool, json: bool) -> Result<u8, Failure> {
    let report = store.verify(if full {
        VerifyDepth::Full
    } else {
        VerifyDepth::Quick
    })?;
    let clean = report.is_clean();
    if json {
        print_json(&json!({ "clean": clean, "report": report }))?;
        return Ok(u8::from(!clean));
    }
    let findings = [
        ("damaged", &report.corrupt),
        ("missing", &report.missing),
        ("unreadable", &report.unreadable),
    ];
    for (label, findings) in findings {
        for finding in findings {
            line(format!("{label}: {}: {}", finding.what, finding.reason))?;
        }
    }
    let size = bytes(report.bytes);
    let verdict = if clean {
        "nothing wrong"
    } else {
        "what is damaged or missing is computed again when needed"
    };
    line(format!(
        "{} records, {} blobs, {size}: {verdict}",
        report.records, report.blobs
    ))?;
    Ok(u8::from(!clean))
}
