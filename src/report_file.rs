//! Where the report of a run goes.

use std::path::{Path, PathBuf};

use mitune_stages::stage::{ExternalDigests, LazyDevice};
use mitune_store::{RunRecord, Store};

use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::report::{LatentImage, ReportOptions, write_report};
use crate::report_decoder::ReportDecoder;

/// A report that could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("Report `{}` cannot be written", path.display())]
struct ReportFileError {
    path: PathBuf,
    source: std::io::Error,
}

/// Returns where the pipeline wants its report, by default its name with `.html` in the working directory.
pub(crate) fn report_path(pipeline: &Pipeline) -> PathBuf {
    let wanted = pipeline
        .spec
        .report
        .as_ref()
        .and_then(|report| report.path.clone());
    wanted.unwrap_or_else(|| PathBuf::from(format!("{}.html", file_name(&pipeline.spec.name))))
}

/// What writing a report needs besides the run.
pub(crate) struct ReportTools<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    /// Decodes images that were stored as latents.
    pub(crate) device: &'a LazyDevice,
    pub(crate) digests: &'a dyn ExternalDigests,
}

/// Writes the report of a run; a reader sees the old page or the new one, never a part.
pub(crate) fn write_report_file(
    tools: &ReportTools<'_>,
    run: &RunRecord,
    path: &Path,
) -> Result<(), Failure> {
    let ReportTools {
        pipeline,
        store,
        device,
        digests,
    } = *tools;
    let mut decoder = ReportDecoder::new(pipeline, store, device, digests);
    let mut decode = |latents: &[LatentImage]| decoder.decode(latents);
    let title = pipeline
        .spec
        .report
        .as_ref()
        .and_then(|report| report.title.clone());
    let options = ReportOptions {
        title,
        repetition: pipeline.repetition(),
        decoder: Some(&mut decode),
        ..ReportOptions::default()
    };
    let page = write_report(store, run, options).map_err(Failure::failed)?;
    let error = |source| {
        Failure::failed(ReportFileError {
            path: path.to_owned(),
            source,
        })
    };
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written = std::fs::write(&draft, page).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // The failure that is told matters more than a draft that cannot be removed.
        let _ = std::fs::remove_file(&draft);
    }
    written.map_err(error)
}

/// Makes a file name of a pipeline's name.
fn file_name(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_alphanumeric() || "-_.".contains(letter) {
            letter
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(safe).take(100).collect();
    if name.trim_matches('.').is_empty() {
        "report".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_pipelines_become_harmless_file_names() {
        assert_eq!(file_name("quickstart"), "quickstart");
        assert_eq!(file_name("../a b/c"), "..-a-b-c");
        assert_eq!(file_name(".."), "report");
        assert_eq!(file_name(""), "report");
        assert_eq!(file_name(&"x".repeat(300)).len(), 100);
    }
}
