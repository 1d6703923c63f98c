//! Plain text files, one prompt on each line.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean::{MAX_PROMPT_BYTES, RawText};
use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::lines::{LineEnds, LineReader};
use super::text_file::open_text;

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
    let mut lines = LineReader::new(open_text(path)?, LineEnds::LfOrCr, LIMIT);
    while let Some(line) = lines.next_line().map_err(PromptsError::read(path))? {
        let text = content(line.bytes);
        let text = match line.cut && text.len() == line.bytes.len() {
            true => RawText::Cut,
            false => RawText::Bytes(text),
        };
        collector.offer(
            path,
            RawPrompt {
                text,
                category,
                split,
                line: line.number,
            },
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Files, message, prompts, rows};
    use super::super::{InvalidPrompts, PromptSource, PromptsConfig, ingest};
    use super::*;

    fn source(paths: Vec<PathBuf>) -> PromptSource {
        PromptSource::Text(TextSource {
            paths,
            category: None,
            split: None,
        })
    }

    #[test]
    fn lines_keep_their_number_and_their_tabs() {
        let files = Files::new();
        let paths = files.write("words.txt", "\u{feff} a red car\r\n\r\na\tb\r\na red car");
        let ingested = files.ingest(source(paths)).expect("prompts");
        let row = |text: &str, line| (text.to_owned(), None, None, "words.txt".to_owned(), line);
        assert_eq!(
            rows(&ingested),
            [row("a red car", 1), row("a\tb", 3), row("a red car", 4)]
        );
        assert_eq!(ingested.report.rejected["empty"], 1);
        assert_eq!(ingested.report.duplicates_kept, 1);
    }

    #[test]
    fn old_macs_and_dos_end_lines_and_files_their_way() {
        let files = Files::new();
        for content in ["a red car\ra boat\r", "a red car\r\na boat\r\n\u{1a}"] {
            let ingested = files
                .ingest(source(files.write("words.txt", content)))
                .expect("prompts");
            let row = |text: &str, line| (text.to_owned(), None, None, "words.txt".to_owned(), line);
            assert_eq!(rows(&ingested), [row("a red car", 1), row("a boat", 2)]);
        }
    }

    #[test]
    fn only_a_text_is_said_to_be_of_an_older_program() {
        let half_pair = [0xfe, 0xff, 0, b'a', 0xd8, 0x3d, 0, b'b'];
        let half_unit = [0xfe, 0xff, 0, b'a', 0];
        let cases: [(&[u8], &str, bool); 4] = [
            (b"a caf\xe9", "is not UTF-8", true),
            (b"a \xff\x01\x02", "is no text", false),
            (&half_pair, "holds half of a character", false),
            (&half_unit, "holds half of a character", false),
        ];
        for (content, problem, hinted) in cases {
            let files = Files::new();
            let error = files
                .ingest(source(files.write("a.txt", content)))
                .expect_err("no prompts");
            assert_eq!(error.hint().is_some_and(|hint| hint.contains("iconv")), hinted);
            let found = error.to_string();
            assert!(
                found.starts_with(&format!("The prompt at `a.txt:1` {problem}")),
                "{found}"
            );
        }
    }

    #[test]
    fn category_and_split_may_be_given() {
        let files = Files::new();
        let paths = files.write("words.txt", "a car");
        let source = TextSource {
            paths,
            category: Some("cars".to_owned()),
            split: Some("dev".to_owned()),
        };
        let ingested = files.ingest(PromptSource::Text(source)).expect("prompts");
        let expected = (
            "a car".to_owned(),
            Some("cars".to_owned()),
            Some("dev".to_owned()),
            "words.txt".to_owned(),
            1,
        );
        assert_eq!(rows(&ingested), [expected]);
    }

    #[test]
    fn damaged_lines_stop_or_are_left_out() {
        let huge = vec![b'x'; 1 << 20];
        let cases: [(&str, &[u8], &str, &str); 4] = [
            ("utf8.txt", b"a \xff car", "is not UTF-8", "not_utf8"),
            ("nul.txt", b"a \0 car", "holds a NUL character", "nul_character"),
            ("huge.txt", &huge, "is longer than 65536 bytes", "too_long"),
            // The white space in the middle must not make the cut line look short.
            (
                "wide.txt",
                &[b"x".as_slice(), &[b' '; 1 << 20], b"x"].concat(),
                "is longer than 65536 bytes",
                "too_long",
            ),
        ];
        for (name, line, problem, reason) in cases {
            let files = Files::new();
            let paths = files.write(name, [b"a car\n".as_slice(), line, b"\na boat\n"].concat());
            let mut config = PromptsConfig::new(source(paths));
            assert_eq!(
                message(ingest(&config, files.path())),
                format!(
                    "The prompt at `{name}:2` {problem}; `invalid_prompts: skip` leaves such prompts out"
                )
            );
            config.invalid_prompts = InvalidPrompts::Skip;
            let ingested = ingest(&config, files.path()).expect("the other prompts");
            assert_eq!(prompts(&ingested), ["a car", "a boat"]);
            assert_eq!(ingested.report.rejected[reason], 1);
            assert_eq!(ingested.report.damaged, [format!("`{name}:2` {problem}")]);
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let files = Files::new();
        let missing = message(files.ingest(source(vec![PathBuf::from("none.txt")])));
        let path = files.path().join("none.txt");
        assert!(
            missing.starts_with(&format!("Cannot read `{}`: No such file", path.display())),
            "{missing}"
        );
        std::fs::create_dir(files.path().join("folder")).expect("a directory");
        let folder = message(files.ingest(source(vec![PathBuf::from("folder")])));
        assert_eq!(
            folder,
            "Path `folder` is a folder without files that end in `.txt`"
        );
    }
}
