//! From raw rows to the chosen prompts: cleaning, duplicates, identities and the sample.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::clean::{Cleaned, RawText};
use super::config::{InvalidPrompts, PromptsConfig};
use super::error::PromptsError;
use super::held::{Held, row_bytes};
use super::identity::PromptIdentity;
use super::report::IngestReport;
use super::sample::{Offered, Sample};

/// A row as a source has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawPrompt<'a> {
    pub text: RawText<'a>,
    pub category: Option<&'a str>,
    pub split: Option<&'a str>,
    /// The line, from 1.
    pub line: u64,
}

/// A row of the table `prompts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PromptRow {
    pub identity: PromptIdentity,
    pub text: Box<str>,
    pub category: Option<Arc<str>>,
    pub split: Option<Arc<str>>,
    pub source: Arc<str>,
    pub line: u32,
}

/// Takes the rows of all files of a source, in order.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    config: &'a PromptsConfig,
    source: Arc<str>,
    rows: u64,
    /// How often each prompt was seen, by the hash of what makes it a duplicate: 20 bytes a prompt, not its text.
    seen: HashMap<PromptIdentity, u32>,
    sample: Sample<PromptRow>,
    held: Held,
    report: IngestReport,
}

impl<'a> Collector<'a> {
    pub(super) fn new(config: &'a PromptsConfig) -> Self {
        Self::holding(config, Held::nothing())
    }

    /// A collector with bounds of its own.
    pub(super) fn holding(config: &'a PromptsConfig, held: Held) -> Self {
        Self {
            config,
            source: Arc::from(""),
            rows: 0,
            seen: HashMap::new(),
            sample: Sample::new(config.sample.as_ref()),
            held,
            report: IngestReport::default(),
        }
    }

    /// Names the source of the rows that follow.
    pub(super) fn begin(&mut self, source: &str) {
        self.source = Arc::from(source);
    }

    /// Takes one row of the file at `path`.
    pub(super) fn offer(&mut self, path: &Path, raw: RawPrompt<'_>) -> Result<(), PromptsError> {
        self.report.read += 1;
        self.held
            .check(path, self.report.read, self.seen.len(), self.config)?;
        let Ok(line) = u32::try_from(raw.line) else {
            return Err(PromptsError::TooManyLines {
                path: path.to_owned(),
            });
        };
        let Some(text) = usable(self.config, &self.source, raw.line, raw.text, &mut self.report)? else {
            return Ok(());
        };
        let occurrence = self.count(raw.category, raw.split, text);
        if occurrence > 0 && self.config.deduplicate {
            self.report.duplicates_dropped += 1;
            return Ok(());
        }
        self.report.duplicates_kept += u64::from(occurrence > 0);
        let identity = PromptIdentity::new(raw.category, raw.split, &self.source, text, occurrence);
        let source = &self.source;
        let held = &mut self.held;
        let offered = self.sample.offer(&identity, self.rows, || {
            let row = PromptRow {
                identity,
                text: text.into(),
                category: raw.category.map(Arc::from),
                split: raw.split.map(Arc::from),
                source: Arc::clone(source),
                line,
            };
            held.keep(row_bytes(&row));
            row
        });
        self.rows += 1;
        self.report.not_sampled += u64::from(offered.leaves_one_out());
        if let Offered::InPlaceOf(row) = offered {
            self.held.release(row_bytes(&row));
        }
        Ok(())
    }

    /// The chosen rows in the order in which they came, and what became of the others.
    pub(super) fn finish(self) -> (Vec<PromptRow>, IngestReport) {
        (self.sample.into_chosen(), self.report)
    }

    /// How often this prompt was seen before: anywhere where duplicates are dropped, else in the same file.
    fn count(&mut self, category: Option<&str>, split: Option<&str>, text: &str) -> u32 {
        let key = if self.config.deduplicate {
            PromptIdentity::new(None, None, "", text, 0)
        } else {
            PromptIdentity::new(category, split, &self.source, text, 0)
        };
        let count = self.seen.entry(key).or_insert(0);
        let before = *count;
        *count = count.saturating_add(1);
        before
    }
}

/// The text of a row, or nothing where the row is left out; the report then says why.
pub(super) fn usable<'t>(
    config: &PromptsConfig,
    source: &str,
    line: u64,
    text: RawText<'t>,
    report: &mut IngestReport,
) -> Result<Option<&'t str>, PromptsError> {
    match text.cleaned() {
        Ok(Cleaned::Nothing(reason)) => {
            report.reject(reason, 1);
            Ok(None)
        }
        Ok(Cleaned::Prompt(text)) => Ok(Some(text)),
        Err(problem) if config.invalid_prompts == InvalidPrompts::Skip => {
            report.reject(problem.reason(), 1);
            report.note_damage(format!("`{source}:{line}` {problem}"));
            Ok(None)
        }
        Err(problem) => Err(PromptsError::InvalidPrompt {
            origin: source.to_owned(),
            line,
            problem,
        }),
    }
}
