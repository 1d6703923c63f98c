//! Where the report of a run goes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mitune_bounded_file::place_of;
use mitune_stages::contract::{ExternalDigests, LazyDevice};
use mitune_stages::output_file::write_file;
use mitune_store::{RunRecord, Store};

use crate::failure::Failure;
use crate::inspect::report::{LatentImage, ReportOptions, collect};
use crate::pages::report::report_page;
use crate::pipeline::Pipeline;
use crate::report_decoder::ReportDecoder;

/// A report that could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("Report `{}` cannot be written", path.display())]
struct ReportFileError {
    path: PathBuf,
    source: std::io::Error,
}

/// How a page begins.
const PAGE: &str = "<!DOCTYPE html>";

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

/// Writes the report of a run unless the page that lies there tells of the same results.
///
/// Whether something was computed does not tell: a run may have ended before its report, and settings of an earlier run
/// come back.
pub(crate) fn refresh_report_file(
    tools: &ReportTools<'_>,
    run: &RunRecord,
    path: &Path,
) -> Result<(), Failure> {
    match place_of(path).is_ok_and(|place| shows(&place, &mark(tools, run))) {
        true => Ok(()),
        false => write_report_file(tools, run, path),
    }
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
    let error = |source| {
        Failure::failed(ReportFileError {
            path: path.to_owned(),
            source,
        })
    };
    let place = place_of(path).map_err(|source| error(source.into()))?;
    check_page(&place).map_err(error)?;
    let report = collect(store, run, options).map_err(Failure::failed)?;
    let page = report_page(&report);
    let page = match page.strip_prefix(PAGE) {
        Some(rest) => format!("{}{rest}", mark(tools, run)),
        None => page,
    };
    write_file(&place, page.as_bytes()).map_err(Failure::failed)
}

/// How the page of a run begins: a comment names all that the page follows from.
fn mark(tools: &ReportTools<'_>, run: &RunRecord) -> String {
    let stages = run
        .stages
        .iter()
        .map(|(name, key)| format!("{name}\n{key}\n"))
        .collect::<String>();
    // They come from a file of text, so that they always have a form.
    let options = serde_json::to_string(&tools.pipeline.spec.report).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let results = blake3::hash(format!("{version}\n{}\n{options}\n{stages}", run.pipeline).as_bytes());
    format!("{PAGE}<!-- results {results} -->")
}

/// Whether a page begins with a mark.
fn shows(place: &Path, mark: &str) -> bool {
    let mut start = Vec::new();
    let read = File::open(place).and_then(|file| file.take(mark.len() as u64).read_to_end(&mut start));
    read.is_ok() && start == mark.as_bytes()
}

/// Checks that what a report replaces is a page, and not a pipeline whose name was given by mistake.
fn check_page(place: &Path) -> io::Result<()> {
    let mut start = Vec::new();
    match File::open(place) {
        Ok(file) => file.take(PAGE.len() as u64).read_to_end(&mut start)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match start.is_empty() || start.eq_ignore_ascii_case(PAGE.as_bytes()) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no web page has the name and is not overwritten",
        )),
    }
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
    // A name that begins with `-` is an option to most programs.
    let name = name.trim_start_matches('-');
    match name.trim_matches('.').is_empty() {
        true => "report".to_owned(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{check_page, file_name};

    #[test]
    fn only_a_page_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        check_page(&path).unwrap();
        for (text, replaced) in [("", true), ("<!doctype HTML><p>", true), ("version: 1\n", false)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(check_page(&path).is_ok(), replaced, "{text}");
        }
    }

    #[test]
    fn names_of_pipelines_become_harmless_file_names() {
        assert_eq!(file_name("quickstart"), "quickstart");
        assert_eq!(file_name("../a b/c"), "..-a-b-c");
        assert_eq!(file_name(".."), "report");
        assert_eq!(file_name(""), "report");
        assert_eq!(file_name("--</title>"), "title-");
        assert_eq!(file_name("-"), "report");
        assert_eq!(file_name(&"x".repeat(300)).len(), 100);
    }
}
