//! From a configuration to the table `prompts`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::clean::RawText;
use super::collector::{Collector, PromptRow, RawPrompt};
use super::config::PromptsConfig;
use super::error::PromptsError;
use super::report::IngestReport;
use super::source::PromptSource;
use super::split::{SplitConfig, TEST, TRAIN, held_out};
use super::table;
use super::text_file::open_input;
use crate::contract::FileIdentity;

/// The prompts of a pipeline.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// The table, at least one row, with the schema [`crate::tables::schema::prompts`].
    pub batches: Vec<RecordBatch>,
    /// The files it was read from.
    pub files: Vec<SourceFile>,
    /// What became of every row.
    pub report: IngestReport,
}

/// A file that prompts are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name by which rows call it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The BLAKE3 hash of its bytes, for the key of the stage.
    pub digest: blake3::Hash,
    /// By which a change during reading is noticed.
    identity: FileIdentity,
}

/// The BLAKE3 hash of the bytes of a file, read in small pieces, and what the file was when they were read.
///
/// # Errors
/// A file that cannot be read.
pub fn file_digest(path: &Path) -> Result<(blake3::Hash, FileIdentity), PromptsError> {
    let file = open_input(path)?;
    let metadata = file.metadata().map_err(PromptsError::read(path))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(PromptsError::read(path))?;
    Ok((hasher.finalize(), FileIdentity::of(&metadata)))
}

/// Hashes the files of a source, in their order; relative paths start at `base`, and patterns and folders stand for their
/// files.
///
/// # Errors
/// A setting out of range, or a file that cannot be read.
pub fn source_files(config: &PromptsConfig, base: &Path) -> Result<Vec<SourceFile>, PromptsError> {
    config.validate()?;
    let config = config.expanded(base, None)?;
    config
        .files(base)
        .into_iter()
        .map(|(name, path)| source_file(name, path))
        .collect()
}

/// Reads, filters, samples and splits the prompts of a source; relative paths start at `base`.
///
/// Memory grows with the sample and with the number of distinct prompts (some 50 bytes each), not with the files; what
/// would take more than 1 GiB of it is refused.
///
/// # Errors
/// An invalid setting; a file that is missing, damaged, lacks a column or has another type in it; a prompt that cannot
/// be used, unless those are left out; more rows or prompts than are held; a file that changes while it is read; no
/// prompts left, with the reasons.
pub fn ingest(config: &PromptsConfig, base: &Path) -> Result<Ingested, PromptsError> {
    let config = &config.expanded(base, None)?;
    let files = source_files(config, base)?;
    let (mut rows, mut report) = read(config, &files)?;
    for file in &files {
        if identity(&file.path)? != file.identity {
            return Err(PromptsError::Changed {
                path: file.path.clone(),
            });
        }
    }
    if let Some(split) = &config.split {
        assign(split, &mut rows)?;
    }
    if let Some(wanted) = &config.take_split {
        let before = rows.len();
        rows.retain(|row| row.split.as_deref() == Some(wanted));
        let left_out = (before - rows.len()) as u64;
        if left_out > 0 {
            report.reject("take_split", left_out);
        }
    }
    if rows.is_empty() {
        return Err(PromptsError::NoPrompts {
            origin: origin(&files),
            report: Box::new(report),
        });
    }
    report.kept = rows.len() as u64;
    for split in rows.iter().filter_map(|row| row.split.as_deref()) {
        *report.splits.entry(split.to_owned()).or_insert(0) += 1;
    }
    Ok(Ingested {
        batches: table::batches(rows)?,
        files,
        report,
    })
}

fn read(
    config: &PromptsConfig,
    files: &[SourceFile],
) -> Result<(Vec<PromptRow>, IngestReport), PromptsError> {
    if let (PromptSource::Diffusiondb(source), [file]) = (&config.source, files) {
        return source.read(&file.path, &file.name, config);
    }
    let mut collector = Collector::new(config);
    if let PromptSource::Inline(prompts) = &config.source {
        collector.begin("inline");
        for (line, text) in (1..).zip(prompts) {
            let raw = RawPrompt {
                text: RawText::Bytes(text.as_bytes()),
                category: None,
                split: None,
                line,
            };
            collector.offer(Path::new("inline"), raw)?;
        }
    }
    if let PromptSource::Shapes(source) = &config.source {
        collector.begin("shapes");
        source.read(&mut collector)?;
    }
    for file in files {
        collector.begin(&file.name);
        match &config.source {
            PromptSource::T2iCompbench(source) => source.read(&file.path, &mut collector)?,
            PromptSource::T2iCompbenchParquet(source) => source.read(&file.path, &mut collector)?,
            PromptSource::Csv(source) => source.read(&file.path, &mut collector)?,
            PromptSource::Jsonl(source) => source.read(&file.path, &mut collector)?,
            PromptSource::Text(source) => source.read(&file.path, &mut collector)?,
            PromptSource::Parquet(source) => source.read(&file.path, &mut collector)?,
            PromptSource::Diffusiondb(_) | PromptSource::Inline(_) | PromptSource::Shapes(_) => {}
        }
    }
    Ok(collector.finish())
}

fn assign(config: &SplitConfig, rows: &mut [PromptRow]) -> Result<(), PromptsError> {
    let held_out = held_out(config, rows.iter().map(|row| &*row.text))?;
    let (train, test): (Arc<str>, Arc<str>) = (Arc::from(TRAIN), Arc::from(TEST));
    for (row, held_out) in rows.iter_mut().zip(held_out) {
        row.split = Some(Arc::clone(if held_out { &test } else { &train }));
    }
    Ok(())
}

fn source_file(name: String, path: PathBuf) -> Result<SourceFile, PromptsError> {
    let (digest, identity) = file_digest(&path)?;
    Ok(SourceFile {
        name,
        digest,
        identity,
        path,
    })
}

fn identity(path: &Path) -> Result<FileIdentity, PromptsError> {
    let metadata = std::fs::metadata(path).map_err(PromptsError::read(path))?;
    Ok(FileIdentity::of(&metadata))
}

fn origin(files: &[SourceFile]) -> String {
    if files.is_empty() {
        return "the inline list".to_owned();
    }
    let names: Vec<String> = files
        .iter()
        .map(|file| format!("`{}`", file.path.display()))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
