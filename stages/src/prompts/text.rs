//! Plain text files, one prompt on each line.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean::MAX_PROMPT_BYTES;
use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::lines::LineReader;

/// Text files with one prompt on each line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The category of all prompts. By default, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The split of all prompts. By default, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

impl TextSource {
    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let labels = (self.category.as_deref(), self.split.as_deref());
        read_lines(path, labels, |line| line, collector)
    }
}

/// Offers each line of a file, shortened by `content`, with a category and a split.
pub(super) fn read_lines(
    path: &Path,
    (category, split): (Option<&str>, Option<&str>),
    content: fn(&[u8]) -> &[u8],
    collector: &mut Collector<'_>,
) -> Result<(), PromptsError> {
    // A margin, so that a prompt of the greatest length may have white space around it.
    const LIMIT: usize = 2 * MAX_PROMPT_BYTES;
    let file = File::open(path).map_err(PromptsError::read(path))?;
    let mut lines = LineReader::new(BufReader::new(file), LIMIT);
    while let Some(line) = lines.next_line().map_err(PromptsError::read(path))? {
        let text = content(line.bytes);
        let cut = line.cut && text.len() == line.bytes.len();
        collector.offer(path, RawPrompt { text, cut, category, split, line: line.number })?;
    }
    Ok(())
}
