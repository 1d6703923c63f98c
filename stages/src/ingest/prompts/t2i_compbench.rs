//! T2I-CompBench: its text files and its Parquet form.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collector::Collector;
use super::error::PromptsError;
use super::parquet_column::{Labels, read_column};
use super::parquet_file::ParquetFile;
use super::text::read_lines;

/// Text files of T2I-CompBench, with names such as `color_train.txt`.
///
/// One prompt stands on each line; what follows a tab is no part of it. Repeated prompts are kept, each with its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct T2iCompBenchSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The category of all prompts. By default, the file name tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The split of all prompts. By default, the file name tells it; a merged file such as `color.txt` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

/// T2I-CompBench as Parquet: files such as `color_train/train-00000-of-00001.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct T2iCompBenchParquetSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The column that holds the prompt. By default, `text` or else `prompt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The category of all prompts. By default, the name of the directory tells it, or else that of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The split of all prompts. By default, the name of the directory tells it, or else that of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

/// The categories of T2I-CompBench and T2I-CompBench++.
pub const CATEGORIES: [&str; 8] = [
    "3d_spatial",
    "color",
    "complex",
    "non_spatial",
    "numeracy",
    "shape",
    "spatial",
    "texture",
];

impl T2iCompBenchSource {
    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let known = path.file_name().and_then(|name| {
            // `color_train.txt`, and `color_train.txt.gz` too.
            let name = name.to_string_lossy();
            category_and_split(name.split('.').next().unwrap_or_default())
        });
        let (category, split) = labels(path, &self.category, &self.split, known)?;
        read_lines(path, (Some(&category), split.as_deref()), before_tab, collector)
    }
}

impl T2iCompBenchParquetSource {
    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let directory = path.parent().and_then(Path::file_name);
        let known = [directory, path.file_stem()]
            .into_iter()
            .flatten()
            .find_map(|name| category_and_split(&name.to_string_lossy()));
        let (category, split) = labels(path, &self.category, &self.split, known)?;
        let file = ParquetFile::open(path)?;
        let column = match &self.column {
            Some(column) => column,
            None if !file.has("text") && file.has("prompt") => "prompt",
            None => "text",
        };
        let labels = Labels {
            category: Some(&category),
            split: split.as_deref(),
            ..Labels::default()
        };
        read_column(file, column, labels, collector)
    }
}

fn before_tab(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b'\t').next().unwrap_or_default()
}

/// What is given wins over what the name tells; a category must come from one of them.
fn labels(
    path: &Path,
    category: &Option<String>,
    split: &Option<String>,
    known: Option<(&'static str, Option<&'static str>)>,
) -> Result<(String, Option<String>), PromptsError> {
    let category = category
        .clone()
        .or_else(|| known.map(|(category, _)| category.to_owned()));
    let Some(category) = category else {
        let expected = CATEGORIES.map(|category| format!("`{category}`")).join(", ");
        return Err(PromptsError::UnknownCategory {
            path: path.to_owned(),
            expected,
        });
    };
    let split = split
        .clone()
        .or_else(|| known.and_then(|(_, split)| split).map(str::to_owned));
    Ok((category, split))
}

/// Reads `color_train`, `complex_val_spatial` or `color`: a category, then perhaps a split, then perhaps more.
fn category_and_split(name: &str) -> Option<(&'static str, Option<&'static str>)> {
    CATEGORIES.into_iter().find_map(|category| {
        let rest = name.strip_prefix(category)?;
        let mut words = rest.split('_');
        // A category ends where the name ends or a new word begins.
        if words.next() != Some("") {
            return None;
        }
        let split = words
            .next()
            .and_then(|word| ["train", "val"].into_iter().find(|split| *split == word));
        Some((category, split))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Files, message, rows, strings};
    use super::super::{Ingested, PromptSource, PromptsConfig, ingest};
    use super::*;

    #[test]
    fn names_tell_category_and_split() {
        let expected = [
            ("color_train", Some(("color", Some("train")))),
            ("non_spatial_val", Some(("non_spatial", Some("val")))),
            ("spatial_val", Some(("spatial", Some("val")))),
            ("3d_spatial_train", Some(("3d_spatial", Some("train")))),
            ("color_val_unseen", Some(("color", Some("val")))),
            ("complex_train_spatialaction", Some(("complex", Some("train")))),
            ("texture", Some(("texture", None))),
            ("shape_all", Some(("shape", None))),
            ("colors_train", None),
            ("my_color_train", None),
            ("train-00000-of-00001", None),
            ("", None),
        ];
        for (name, labels) in expected {
            assert_eq!(category_and_split(name), labels, "{name}");
        }
    }

    fn read(files: &Files, paths: Vec<PathBuf>) -> Result<Ingested, PromptsError> {
        files.ingest(PromptSource::T2iCompbench(T2iCompBenchSource {
            paths,
            category: None,
            split: None,
        }))
    }

    #[test]
    fn duplicates_are_kept_with_their_line_and_text_after_a_tab_is_not() {
        let files = Files::new();
        let mut paths = files.write(
            "color_train.txt",
            "a red car\r\na blue car\ttwo\tthree\r\na red car",
        );
        paths.extend(files.write("data/complex_val_spatial.txt", "\u{feff}a car\n"));
        let ingested = read(&files, paths).expect("prompts");
        let row = |text: &str, category: &str, split: &str, source: &str, line| {
            (
                text.to_owned(),
                Some(category.to_owned()),
                Some(split.to_owned()),
                source.to_owned(),
                line,
            )
        };
        assert_eq!(
            rows(&ingested),
            [
                row("a red car", "color", "train", "color_train.txt", 1),
                row("a blue car", "color", "train", "color_train.txt", 2),
                row("a red car", "color", "train", "color_train.txt", 3),
                row("a car", "complex", "val", "complex_val_spatial.txt", 1),
            ]
        );
        assert_eq!(
            ingested.report.splits.into_iter().collect::<Vec<_>>(),
            [("train".to_owned(), 3), ("val".to_owned(), 1)]
        );
    }

    #[test]
    fn a_category_must_be_known() {
        let files = Files::new();
        let paths = files.write("mine.txt", "a red car");
        let problem = message(read(&files, paths.clone()));
        assert!(
            problem.starts_with("Cannot tell the T2I-CompBench category of `"),
            "{problem}"
        );
        assert!(
            problem.contains("mine.txt` from its name; expected one of `3d_spatial`, `color`"),
            "{problem}"
        );
        let source = T2iCompBenchSource {
            paths,
            category: Some("color".to_owned()),
            split: None,
        };
        let ingested = files.ingest(PromptSource::T2iCompbench(source)).expect("prompts");
        assert_eq!(rows(&ingested)[0].1.as_deref(), Some("color"));
        assert_eq!(rows(&ingested)[0].2, None);
    }

    #[test]
    fn the_parquet_form_is_known_by_its_directory() {
        let files = Files::new();
        let name = "non_spatial_val/train-00000-of-00001.parquet";
        for (column, given) in [
            ("text", None),
            ("prompt", None),
            ("caption", Some("caption".to_owned())),
        ] {
            let paths = files.write_parquet(name, vec![(column, strings(&["a man runs", "a man runs"]))]);
            let source = T2iCompBenchParquetSource {
                paths,
                column: given,
                category: None,
                split: None,
            };
            let ingested = files
                .ingest(PromptSource::T2iCompbenchParquet(source))
                .expect("prompts");
            let row = |line| {
                let label = |text: &str| Some(text.to_owned());
                (
                    "a man runs".to_owned(),
                    label("non_spatial"),
                    label("val"),
                    name.to_owned(),
                    line,
                )
            };
            assert_eq!(rows(&ingested), [row(1), row(2)]);
        }
    }

    #[test]
    fn the_published_files_are_read_completely() {
        // They are not part of the repository; a checkout may stand beside them.
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let places = manifest
            .ancestors()
            .map(|place| place.join("shared/data/t2i-compbench"));
        let Some(directory) = places.into_iter().find(|place| place.is_dir()) else {
            return;
        };
        // Distinct lines, counted with `tr -d '\r' | sort -u | wc -l`.
        let expected = [
            ("color_train", 700, 679),
            ("color_val", 300, 300),
            ("complex_train", 700, 700),
            ("non_spatial_train", 700, 700),
            ("shape_train", 700, 685),
            ("spatial_val", 300, 300),
            ("texture_train", 700, 695),
        ];
        for (name, lines, distinct) in expected {
            let source = T2iCompBenchSource {
                paths: vec![PathBuf::from(format!("{name}.txt"))],
                category: None,
                split: None,
            };
            let mut config = PromptsConfig::new(PromptSource::T2iCompbench(source));
            let all = ingest(&config, &directory).expect("prompts");
            assert_eq!(
                (rows(&all).len(), all.report.duplicates_kept),
                (lines, (lines - distinct) as u64),
                "{name}"
            );
            config.deduplicate = true;
            let once = ingest(&config, &directory).expect("prompts");
            assert_eq!(rows(&once).len(), distinct, "{name}");
        }
    }
}
