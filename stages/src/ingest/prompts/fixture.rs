//! Files and tables for the tests of this module.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use super::{Ingested, PromptSource, PromptsConfig, PromptsError, ingest};

/// A row of the table `prompts` without its identifier: prompt, category, split, source, line.
pub(super) type Row = (String, Option<String>, Option<String>, String, u32);

/// A directory that goes away with the test.
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Vec<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
        vec![PathBuf::from(name)]
    }

    pub(super) fn write_parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> Vec<PathBuf> {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
        let batch = batch.expect("columns of one length");
        let paths = self.write(name, "");
        let file = File::create(self.path().join(name)).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a footer");
        paths
    }

    pub(super) fn ingest(&self, source: PromptSource) -> Result<Ingested, PromptsError> {
        ingest(&PromptsConfig::new(source), self.path())
    }
}

pub(super) fn strings(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// The rows of the table, having checked that every identifier is another one.
pub(super) fn rows(ingested: &Ingested) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for batch in &ingested.batches {
        assert_eq!(batch.schema(), crate::tables::schema::prompts());
        let text = |index: usize| batch.column(index).as_string::<i32>();
        let label = |index: usize, row: usize| text(index).iter().nth(row).flatten().map(str::to_owned);
        let lines = batch.column(5).as_primitive::<UInt32Type>();
        for row in 0..batch.num_rows() {
            assert!(ids.insert(text(0).value(row).to_owned()), "identifier repeated");
            rows.push((
                text(1).value(row).to_owned(),
                label(2, row),
                label(3, row),
                text(4).value(row).to_owned(),
                lines.value(row),
            ));
        }
    }
    let report = &ingested.report;
    assert_eq!(report.kept, rows.len() as u64);
    assert_balanced(report);
    rows
}

/// Every row that was read has one fate.
pub(super) fn assert_balanced(report: &super::IngestReport) {
    let rejected: u64 = report.rejected.values().sum();
    let fates = rejected + report.duplicates_dropped + report.not_sampled + report.kept;
    assert_eq!(report.read, fates, "{report:?}");
}

pub(super) fn prompts(ingested: &Ingested) -> Vec<String> {
    rows(ingested).into_iter().map(|row| row.0).collect()
}

/// The message of an error with those of its causes.
pub(super) fn message<T>(result: Result<T, PromptsError>) -> String {
    let Err(error) = result else {
        panic!("an error was expected")
    };
    let mut message = error.to_string();
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        message += &format!(": {source}");
        cause = source;
    }
    message
}
