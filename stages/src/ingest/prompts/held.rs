//! How many rows one ingestion reads, and how much memory its prompts may take.
//!
//! A few kilobytes of zstd, or of a dictionary in Parquet, can hold one prompt a hundred million times. So what stays in
//! memory is counted, the same for every kind of file.

use std::path::Path;

use super::collector::PromptRow;
use super::config::PromptsConfig;
use super::error::PromptsError;
use super::source::PromptSource;

/// Most rows that are read of all files of a source: as many as one Parquet file may have.
const MOST_ROWS: u64 = 100_000_000;

/// Most bytes that prompts may take, counted as below; tables that grow take up to twice as much for a moment.
const MOST_BYTES: u64 = 1 << 30;

/// Bytes of a prompt whose repetitions are counted: its hash, the count, and room in a table that grows by doubling.
const DISTINCT_BYTES: u64 = 40;

/// Bytes of a kept row besides its texts.
const ROW_BYTES: u64 = 128;

/// What is held, and how much may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    bytes: u64,
    most_bytes: u64,
    most_rows: u64,
}

impl Held {
    pub(super) fn nothing() -> Self {
        Self {
            bytes: 0,
            most_bytes: MOST_BYTES,
            most_rows: MOST_ROWS,
        }
    }

    /// Counts a row that is kept from now on.
    pub(super) fn keep(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts a row that is kept no longer.
    pub(super) fn release(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Checks what was read and what is held, with this many distinct prompts that are counted besides.
    ///
    /// # Errors
    /// Too many rows, or too many bytes.
    pub(super) fn check(
        &self,
        path: &Path,
        rows: u64,
        distinct: usize,
        config: &PromptsConfig,
    ) -> Result<(), PromptsError> {
        if rows > self.most_rows {
            return Err(PromptsError::TooManyRows {
                path: path.to_owned(),
                limit: self.most_rows,
            });
        }
        let counted = (distinct as u64).saturating_mul(DISTINCT_BYTES);
        if self.bytes.saturating_add(counted) > self.most_bytes {
            return Err(PromptsError::TooManyPrompts {
                path: path.to_owned(),
                rows,
                limit: self.most_bytes,
                remedy: remedy(config),
            });
        }
        Ok(())
    }
}

/// Bytes that a kept row takes, in the lists of the ingestion and then in its table.
pub(super) fn row_bytes(row: &PromptRow) -> u64 {
    let labels = [&row.category, &row.split].map(|label| label.as_ref().map_or(0, |label| label.len()));
    let texts = row.text.len() + row.source.len() + labels[0] + labels[1];
    ROW_BYTES.saturating_add(texts as u64)
}

/// The setting that makes an ingestion hold less.
fn remedy(config: &PromptsConfig) -> &'static str {
    let once = config.deduplicate || matches!(config.source, PromptSource::Diffusiondb(_));
    match (&config.sample, once) {
        (None, false) => {
            "`sample: {count: N}` keeps a random choice, and `deduplicate: true` keeps each prompt once"
        }
        (None, true) => "`sample: {count: N}` keeps a random choice",
        (Some(_), _) => "Lower `sample.count`, or divide the files among several stages of the kind `ingest`",
    }
}

#[cfg(test)]
mod tests {
    use super::super::SampleConfig;
    use super::super::clean::RawText;
    use super::super::collector::{Collector, RawPrompt};
    use super::super::fixture::message;
    use super::*;

    /// Offers numbered prompts, each as often as it is said, to a collector that may hold little.
    fn offered(
        config: &PromptsConfig,
        (most_rows, most_bytes): (u64, u64),
        distinct: u64,
        times: u64,
    ) -> Result<usize, PromptsError> {
        let held = Held {
            bytes: 0,
            most_bytes,
            most_rows,
        };
        let mut collector = Collector::holding(config, held);
        for row in 0..distinct * times {
            let text = format!("prompt {}", row % distinct);
            let raw = RawPrompt {
                text: RawText::Bytes(text.as_bytes()),
                category: Some("kind"),
                split: None,
                line: row + 1,
            };
            collector.offer(Path::new("a.txt"), raw)?;
        }
        Ok(collector.finish().0.len())
    }

    fn config() -> PromptsConfig {
        PromptsConfig::new(PromptSource::Inline(Vec::new()))
    }

    const PLENTY: u64 = u64::MAX;

    #[test]
    fn rows_are_counted_whatever_becomes_of_them() {
        let mut config = config();
        config.deduplicate = true;
        assert_eq!(offered(&config, (100, PLENTY), 10, 10).expect("prompts"), 10);
        let found = message(offered(&config, (99, PLENTY), 10, 10));
        assert_eq!(
            found,
            "`a.txt` brings the rows of the source to more than 99, the most that are read"
        );
    }

    #[test]
    fn repeated_prompts_take_memory_only_where_they_are_kept() {
        let mut config = config();
        let found = message(offered(&config, (PLENTY, 10_000), 10, 1000));
        assert!(
            found.starts_with("The prompts of ")
                && found.ends_with("rows take more than 10000 bytes of memory; reading stopped in `a.txt`"),
            "{found}"
        );
        config.deduplicate = true;
        assert_eq!(offered(&config, (PLENTY, 10_000), 10, 1000).expect("prompts"), 10);
    }

    #[test]
    fn what_leaves_a_sample_takes_no_memory() {
        let mut config = config();
        config.sample = Some(SampleConfig { count: 10, seed: 0 });
        // Each distinct prompt is counted, and ten are kept.
        assert_eq!(offered(&config, (PLENTY, 50_000), 1000, 2).expect("prompts"), 10);
        assert!(offered(&config, (PLENTY, 39_000), 1000, 2).is_err());
    }

    #[test]
    fn the_remedy_is_one_that_is_left() {
        let mut config = config();
        assert!(remedy(&config).contains("`deduplicate: true`"));
        config.deduplicate = true;
        assert!(!remedy(&config).contains("deduplicate") && remedy(&config).contains("`sample: "));
        config.sample = Some(SampleConfig { count: 10, seed: 0 });
        assert!(remedy(&config).starts_with("Lower `sample.count`"));
    }
}
