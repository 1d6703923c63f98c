//! DiffusionDB: prompts from the table `metadata.parquet`, which has a row for each of two million images.
//!
//! The table is read twice, in small batches and only the columns that matter. The first pass filters images and keeps
//! 24 bytes for each distinct prompt: its hash, its first row and its number of images. The second pass reads the text
//! of the chosen rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean::clean;
use super::collector::{PromptRow, usable};
use super::config::PromptsConfig;
use super::error::PromptsError;
use super::identity::PromptIdentity;
use super::limits::Limits;
use super::parquet_file::{Batches, ParquetFile};
use super::report::IngestReport;
use super::sample::Sample;

/// The prompts of DiffusionDB, each once; only images within all limits count. By default, there are no limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffusionDbSource {
    /// The file `metadata.parquet` or `metadata-large.parquet`.
    pub metadata: PathBuf,
    /// Keep images whose prompt has at most this probability of being unsafe, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_prompt_nsfw: Option<f64>,
    /// Keep images with at most this probability of being unsafe, from 0 to 1; 2 marks blurred images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_image_nsfw: Option<f64>,
    /// Keep images at least this wide, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_width: Option<f64>,
    /// Keep images at most this wide, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_width: Option<f64>,
    /// Keep images at least this high, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_height: Option<f64>,
    /// Keep images at most this high, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<f64>,
    /// Keep images made with at least this many denoising steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_steps: Option<f64>,
    /// Keep images made with at most this many denoising steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<f64>,
    /// Keep images made with at least this guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_guidance: Option<f64>,
    /// Keep images made with at most this guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_guidance: Option<f64>,
    /// Keep prompts of at least this many characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_characters: Option<u32>,
    /// Keep prompts of at most this many characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<u32>,
    /// Keep prompts with at least this many images within the limits. By default, 1.
    #[serde(default = "one")]
    pub min_images: u32,
}

fn one() -> u32 {
    1
}

const PROMPT: &str = "prompt";

/// A distinct prompt in the first pass.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_row: u32,
    images: u32,
}

impl DiffusionDbSource {
    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        self.limits().validate()?;
        if let (Some(min), Some(max)) = (self.min_characters, self.max_characters)
            && min > max
        {
            let problem = format!("must be at least `min_characters`, found `{max}` below `{min}`");
            return Err(PromptsError::Setting {
                setting: "source.diffusiondb.max_characters",
                problem,
            });
        }
        if self.min_images == 0 {
            let problem = "must be at least 1, found `0`".to_owned();
            return Err(PromptsError::Setting {
                setting: "source.diffusiondb.min_images",
                problem,
            });
        }
        Ok(())
    }

    /// The chosen prompts in the order of their first image, and what became of the other images.
    pub(super) fn read(
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
            let left_out = sample.offer(&identity, u64::from(group.first_row), || {
                (identity, group.first_row)
            });
            report.not_sampled += u64::from(left_out);
        }
        let rows = texts(path, source, &sample.into_chosen())?;
        Ok((rows, report))
    }

    fn limits(&self) -> Limits {
        Limits::new(&[
            (
                "prompt_nsfw",
                None,
                self.max_prompt_nsfw.map(|max| ("max_prompt_nsfw", max)),
            ),
            (
                "image_nsfw",
                None,
                self.max_image_nsfw.map(|max| ("max_image_nsfw", max)),
            ),
            (
                "width",
                self.min_width.map(|min| ("min_width", min)),
                self.max_width.map(|max| ("max_width", max)),
            ),
            (
                "height",
                self.min_height.map(|min| ("min_height", min)),
                self.max_height.map(|max| ("max_height", max)),
            ),
            (
                "step",
                self.min_steps.map(|min| ("min_steps", min)),
                self.max_steps.map(|max| ("max_steps", max)),
            ),
            (
                "cfg",
                self.min_guidance.map(|min| ("min_guidance", min)),
                self.max_guidance.map(|max| ("max_guidance", max)),
            ),
        ])
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
        let mut batches = ParquetFile::open(path)?.read(&columns, None)?;
        let mut groups: HashMap<PromptIdentity, Group> = HashMap::new();
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
                if let Some(reason) = limits.broken(&numbers, row) {
                    report.reject(reason, 1);
                    continue;
                }
                let text = if prompts.is_valid(row) {
                    prompts.value(row)
                } else {
                    ""
                };
                let text = clean(text.as_bytes());
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

    fn broken_length(&self, text: &str) -> Option<&'static str> {
        let characters = text.chars().count();
        let compare = |limit: Option<u32>| limit.map(|limit| characters.cmp(&(limit as usize)));
        if compare(self.min_characters).is_some_and(std::cmp::Ordering::is_lt) {
            Some("min_characters")
        } else if compare(self.max_characters).is_some_and(std::cmp::Ordering::is_gt) {
            Some("max_characters")
        } else {
            None
        }
    }
}

/// The second pass: the texts of the chosen rows, which are in order.
fn texts(
    path: &Path,
    source: &str,
    chosen: &[(PromptIdentity, u32)],
) -> Result<Vec<PromptRow>, PromptsError> {
    let source: Arc<str> = Arc::from(source);
    let mut batches = ParquetFile::open(path)?.read(&[PROMPT], Some(selection(chosen)))?;
    let mut rows = Vec::with_capacity(chosen.len());
    let mut next = chosen.iter();
    while let Some(batch) = batches.next_batch()? {
        append_texts(&batches, &batch, path, &source, &mut next, &mut rows)?;
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
    for (text, (identity, row)) in prompts.iter().zip(chosen) {
        let text = text
            .and_then(|text| clean(text.as_bytes()).ok())
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

#[cfg(test)]
mod tests;
