//! Whole pages of made-up runs.

mod agreements;
mod charts;
mod comparisons;
mod costs;
mod hostile;
mod html;
mod incomplete;
mod judges;
mod judges_over_arms;
mod left_out;
mod numbers;
mod sets;
mod structure;

use mitune_stages::statistics::bootstrap::BootstrapSettings;
use mitune_store::{RunRecord, RunStatus, Store};

use super::report_page;
use crate::inspect::report::fixture::{Fixture, Size, decode};
use crate::inspect::report::{ReportError, ReportOptions, collect};

const SMALL: Size = Size {
    train_prompts: 6,
    candidates: 6,
    test_prompts: 8,
    test_images: 3,
};

fn quick<'a>() -> ReportOptions<'a> {
    ReportOptions {
        bootstrap: BootstrapSettings {
            replicates: 200,
            ..BootstrapSettings::default()
        },
        prompts: 3,
        // Latents of the fixture are as large as its images.
        decoded_places: 1 << 20,
        ..ReportOptions::default()
    }
}

fn write_report(store: &Store, run: &RunRecord, options: ReportOptions<'_>) -> Result<String, ReportError> {
    Ok(report_page(&collect(store, run, options)?))
}

/// Ends the run of a fixture well and writes its report, decoding latents.
fn page(fixture: &Fixture) -> Result<String, ReportError> {
    let run = fixture.finish(RunStatus::Succeeded);
    let mut decode = decode;
    let options = ReportOptions {
        decoder: Some(&mut decode),
        prompts: 8,
        ..quick()
    };
    write_report(&fixture.store, &run, options)
}
