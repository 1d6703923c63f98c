//! Whole pages of made-up runs.

mod hostile;
mod html;
mod incomplete;
mod numbers;
mod structure;

use mitune_stages::statistics::bootstrap::BootstrapSettings;
use mitune_store::RunStatus;

use super::fixture::{Fixture, Size, decode, study};
use super::{ReportError, ReportOptions, write_report};

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
        ..ReportOptions::default()
    }
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

/// Writes a larger page to look at, where the variable `MITUNE_REPORT_SAMPLE` says.
#[test]
#[ignore = "it writes a page for people to look at"]
fn sample() {
    let path = std::env::var_os("MITUNE_REPORT_SAMPLE").expect("the variable names a file");
    let fixture = study(Size {
        train_prompts: 24,
        candidates: 16,
        test_prompts: 60,
        test_images: 8,
    });
    let run = fixture.finish(RunStatus::Succeeded);
    let mut decode = decode;
    let options = ReportOptions {
        decoder: Some(&mut decode),
        ..ReportOptions::default()
    };
    let start = std::time::Instant::now();
    let page = write_report(&fixture.store, &run, options).expect("written");
    eprintln!("The report took {:?}", start.elapsed());
    std::fs::write(path, page).expect("written");
}
