//! A text column of Parquet files.

use std::path::{Path, PathBuf};

use arrow_array::{Array, StringArray};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::parquet_file::ParquetFile;

/// A text column of Parquet files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The column that holds the prompt. By default, `prompt`.
    #[serde(default = "default_column")]
    pub column: String,
    /// A text column that holds the category. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_column: Option<String>,
    /// A text column that holds the split. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_column: Option<String>,
}

fn default_column() -> String {
    "prompt".to_owned()
}

impl ParquetSource {
    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let labels = Labels {
            category_column: self.category_column.as_deref(),
            split_column: self.split_column.as_deref(),
            ..Labels::default()
        };
        read_column(ParquetFile::open(path)?, &self.column, labels, collector)
    }
}

/// The category and the split of rows: the same for all, or in a column of their own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Labels<'a> {
    pub category: Option<&'a str>,
    pub split: Option<&'a str>,
    pub category_column: Option<&'a str>,
    pub split_column: Option<&'a str>,
}

/// Offers every row of a text column; a null counts as empty.
pub(super) fn read_column(
    file: ParquetFile,
    column: &str,
    labels: Labels<'_>,
    collector: &mut Collector<'_>,
) -> Result<(), PromptsError> {
    let path = file.path().to_owned();
    let columns: Vec<&str> = [Some(column), labels.category_column, labels.split_column]
        .into_iter()
        .flatten()
        .collect();
    let mut batches = file.read(&columns, None)?;
    let mut line = 0;
    while let Some(batch) = batches.next_batch()? {
        let prompts = batches.text(&batch, column)?;
        let label = |column: Option<&str>| column.map(|column| batches.text(&batch, column)).transpose();
        let (categories, splits) = (label(labels.category_column)?, label(labels.split_column)?);
        for row in 0..batch.num_rows() {
            line += 1;
            let raw = RawPrompt {
                text: text(prompts, row).unwrap_or_default().as_bytes(),
                cut: false,
                category: labels
                    .category
                    .or_else(|| categories.and_then(|column| text(column, row))),
                split: labels
                    .split
                    .or_else(|| splits.and_then(|column| text(column, row))),
                line,
            };
            collector.offer(&path, raw)?;
        }
    }
    Ok(())
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, BinaryArray, DictionaryArray, Int64Array, LargeStringArray, StringViewArray,
    };
    use proptest::prelude::*;

    use super::super::fixture::{Files, message, prompts, rows, strings};
    use super::super::{PromptSource, PromptsConfig, ingest};
    use super::*;

    fn source(paths: Vec<PathBuf>) -> PromptSource {
        PromptSource::Parquet(ParquetSource {
            paths,
            column: default_column(),
            category_column: None,
            split_column: None,
        })
    }

    #[test]
    fn labels_come_from_their_columns() {
        let files = Files::new();
        let kinds: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]));
        let columns = vec![
            ("kind", kinds),
            ("other", Arc::new(Int64Array::from(vec![1, 2, 3])) as _),
            ("prompt", texts),
        ];
        let paths = files.write_parquet("a.parquet", columns);
        let source = ParquetSource {
            paths,
            column: default_column(),
            category_column: Some("kind".to_owned()),
            split_column: None,
        };
        let ingested = files.ingest(PromptSource::Parquet(source)).expect("prompts");
        let name = "a.parquet".to_owned();
        assert_eq!(
            rows(&ingested),
            [
                ("a".to_owned(), Some("x".to_owned()), None, name.clone(), 1),
                ("b".to_owned(), None, None, name, 3)
            ]
        );
        assert_eq!(ingested.report.rejected["empty"], 1);
    }

    #[test]
    fn every_kind_of_string_column_is_text() {
        let files = Files::new();
        let texts = ["a car", "a boat", "a car"];
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        let columns: [ArrayRef; 4] = [
            strings(&texts),
            Arc::new(LargeStringArray::from_iter_values(texts)),
            Arc::new(StringViewArray::from_iter_values(texts)),
            Arc::new(dictionary),
        ];
        for column in columns {
            let kind = column.data_type().clone();
            let paths = files.write_parquet("a.parquet", vec![("prompt", column)]);
            assert_eq!(
                prompts(&files.ingest(source(paths)).expect("prompts")),
                texts,
                "{kind}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let files = Files::new();
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let missing = files.write_parquet(
            "a.parquet",
            vec![("id", numbers.clone()), ("text", strings(&["a"]))],
        );
        let missing = message(files.ingest(source(missing)));
        assert!(missing.starts_with("No column `prompt` in `"), "{missing}");
        assert!(missing.ends_with("a.parquet`; found `id`, `text`"), "{missing}");
        let wrong = message(files.ingest(source(
            files.write_parquet("b.parquet", vec![("prompt", numbers)]),
        )));
        assert!(wrong.starts_with("Column `prompt` of `"), "{wrong}");
        assert!(
            wrong.ends_with("b.parquet` must hold text, found `Int64`"),
            "{wrong}"
        );
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"a \xff car"]));
        let bytes = message(files.ingest(source(files.write_parquet("c.parquet", vec![("prompt", bytes)]))));
        assert!(
            bytes.ends_with("c.parquet` must hold text, found `Binary`"),
            "{bytes}"
        );
        let text = message(files.ingest(source(files.write("d.parquet", "a red car"))));
        assert!(
            text.starts_with("Cannot read `") && text.contains("d.parquet` as Parquet: "),
            "{text}"
        );
        let empty = message(files.ingest(source(files.write("e.parquet", ""))));
        assert!(empty.contains("e.parquet` as Parquet: "), "{empty}");
        let cut = files.write_parquet("f.parquet", vec![("prompt", strings(&["a car"; 500]))]);
        let whole = fs::read(files.path().join(&cut[0])).expect("a file");
        files.write("f.parquet", &whole[..whole.len() / 2]);
        let cut = message(files.ingest(source(cut)));
        assert!(cut.contains("f.parquet` as Parquet: "), "{cut}");
    }

    #[test]
    fn invalid_text_in_a_text_column_is_an_error_of_the_file() {
        let files = Files::new();
        let paths = files.write_parquet(
            "a.parquet",
            vec![("prompt", strings(&["a red car", "a blue car"]))],
        );
        let path = files.path().join(&paths[0]);
        let mut bytes = fs::read(&path).expect("a file");
        while let Some(place) = bytes.windows(3).position(|window| window == b"red") {
            bytes[place] = 0xff;
        }
        fs::write(&path, bytes).expect("a file");
        let found = message(files.ingest(source(paths)));
        assert!(
            found.starts_with("Cannot decode the values of `") && found.contains("a.parquet`: "),
            "{found}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn damage_anywhere_is_no_panic(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let files = Files::new();
            let texts: Vec<String> = (0..300).map(|number| format!("prompt number {number}")).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let paths = files.write_parquet("a.parquet", vec![("prompt", strings(&texts))]);
            let path = files.path().join(&paths[0]);
            let mut bytes = fs::read(&path).expect("a file");
            for (place, byte) in damage {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            fs::write(&path, bytes).expect("a file");
            if let Err(error) = ingest(&PromptsConfig::new(source(paths)), files.path()) {
                prop_assert!(error.to_string().contains("a.parquet"), "{error}");
            }
        }
    }
}
