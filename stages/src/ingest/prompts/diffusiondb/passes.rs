//! The two passes over the table.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::super::clean::{RawText, clean};
use super::super::collector::{PromptRow, usable};
use super::super::config::PromptsConfig;
use super::super::error::PromptsError;
use super::super::held::{Held, row_bytes};
use super::super::identity::PromptIdentity;
use super::super::parquet_file::{Batches, ParquetFile};
use super::super::report::IngestReport;
use super::super::sample::Sample;
use super::DiffusionDbSource;

const PROMPT: &str = "prompt";

/// A distinct prompt in the first pass.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_row: u32,
    images: u32,
}

impl DiffusionDbSource {
    /// The chosen prompts in the order of their first image, and what became of the other images.
    pub(in super::super) fn read(
        &self,
        path: &Path,
        source: &str,
        config: &PromptsConfig,
    ) -> Result<(Vec<PromptRow>, IngestReport), PromptsError> {
        let mut report = IngestReport::default();
        let groups = self.groups(path, source, config, &mut report)?;
        let mut sample = Sample::new(config.sample.as_ref());
        for (identity, group) in groups {
            if group.images < self.min_images {
                report.reject("min_images", u64::from(group.images));
                continue;
            }
            report.duplicates_dropped += u64::from(group.images - 1);
            let offered = sample.offer(&identity, u64::from(group.first_row), || {
                (identity, group.first_row)
            });
            report.not_sampled += u64::from(offered.leaves_one_out());
        }
        let rows = texts(path, source, &sample.into_chosen(), config)?;
        Ok((rows, report))
    }

    /// The first pass: every distinct prompt with an image within the limits.
    fn groups(
        &self,
        path: &Path,
        source: &str,
        config: &PromptsConfig,
        report: &mut IngestReport,
    ) -> Result<HashMap<PromptIdentity, Group>, PromptsError> {
        let limits = self.limits();
        let mut columns = vec![PROMPT];
        columns.extend(limits.columns());
        let file = ParquetFile::open(path)?;
        file.check_text(PROMPT)?;
        let mut batches = file.read(&columns, None)?;
        let mut groups: HashMap<PromptIdentity, Group> = HashMap::new();
        let held = Held::nothing();
        while let Some(batch) = batches.next_batch()? {
            let prompts = batches.text(&batch, PROMPT)?;
            let numbers = limits.numbers(&batches, &batch)?;
            for row in 0..batch.num_rows() {
                let Ok(first_row) = u32::try_from(report.read) else {
                    return Err(PromptsError::TooManyLines {
                        path: path.to_owned(),
                    });
                };
                report.read += 1;
                held.check(path, report.read, groups.len(), config)?;
                if let Some(reason) = limits.broken(&numbers, row) {
                    report.reject(reason, 1);
                    continue;
                }
                let text = prompts.bytes(row).map_or(RawText::Null, RawText::Bytes);
                let Some(text) = usable(config, source, report.read, text, report)? else {
                    continue;
                };
                if let Some(reason) = self.broken_length(text) {
                    report.reject(reason, 1);
                    continue;
                }
                let identity = PromptIdentity::new(None, None, source, text, 0);
                groups
                    .entry(identity)
                    .or_insert(Group { first_row, images: 0 })
                    .images += 1;
            }
        }
        Ok(groups)
    }
}

/// The second pass: the texts of the chosen rows, which are in order.
fn texts(
    path: &Path,
    source: &str,
    chosen: &[(PromptIdentity, u32)],
    config: &PromptsConfig,
) -> Result<Vec<PromptRow>, PromptsError> {
    let source: Arc<str> = Arc::from(source);
    let mut held = Held::nothing();
    let mut batches = ParquetFile::open(path)?.read(&[PROMPT], Some(selection(chosen)))?;
    let mut rows = Vec::with_capacity(chosen.len());
    let mut next = chosen.iter();
    while let Some(batch) = batches.next_batch()? {
        let before = rows.len();
        append_texts(&batches, &batch, path, &source, &mut next, &mut rows)?;
        rows[before..].iter().for_each(|row| held.keep(row_bytes(row)));
        held.check(path, rows.len() as u64, 0, config)?;
    }
    if rows.len() < chosen.len() {
        return Err(PromptsError::Changed {
            path: path.to_owned(),
        });
    }
    Ok(rows)
}

fn append_texts<'c>(
    batches: &Batches,
    batch: &RecordBatch,
    path: &Path,
    source: &Arc<str>,
    chosen: &mut impl Iterator<Item = &'c (PromptIdentity, u32)>,
    rows: &mut Vec<PromptRow>,
) -> Result<(), PromptsError> {
    let prompts = batches.text(batch, PROMPT)?;
    for (place, (identity, row)) in (0..batch.num_rows()).zip(chosen) {
        let text = prompts
            .bytes(place)
            .and_then(|text| clean(text).ok())
            .unwrap_or_default();
        // The first pass saw this text in this row, unless somebody else writes to the file.
        if PromptIdentity::new(None, None, source, text, 0) != *identity {
            return Err(PromptsError::Changed {
                path: path.to_owned(),
            });
        }
        rows.push(PromptRow {
            identity: *identity,
            text: text.into(),
            category: None,
            split: None,
            source: Arc::clone(source),
            line: row.saturating_add(1),
        });
    }
    Ok(())
}

fn selection(chosen: &[(PromptIdentity, u32)]) -> RowSelection {
    let mut selectors = Vec::with_capacity(chosen.len().saturating_mul(2));
    let mut next = 0;
    for (_, row) in chosen {
        let row = *row as usize;
        if row > next {
            selectors.push(RowSelector::skip(row - next));
        }
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    RowSelection::from(selectors)
}
