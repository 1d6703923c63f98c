//! Reading the tables of stages, with errors that name stage and output.

use arrow_array::RecordBatch;
use arrow_array::types::{ArrowPrimitiveType, Float64Type};
use arrow_schema::DataType;
use mitune_stages::judge::{ColumnMeaning, column_meanings};
use mitune_stages::tables::columns::ColumnError;
use mitune_store::{Store, StoreError, TableReader};

use super::super::error::ReportError;
use super::graph::{RunGraph, Source};

/// A table of the run that is being read.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) store: &'a Store,
    pub(super) graph: &'a RunGraph,
    pub(super) source: Source<'a>,
}

impl<'a> Table<'a> {
    /// Opens the table.
    pub(super) fn read(
        self,
        columns: Option<&[&str]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ReportError>> + use<'a>, ReportError> {
        let reader: TableReader = self
            .store
            .artifacts()
            .read_table(self.source.artifact, columns)
            .map_err(|source| self.error(source))?;
        Ok(reader.map(move |batch| batch.map_err(|source| self.error(source))))
    }

    /// Returns the names of the columns of f64.
    pub(super) fn scores(self) -> Result<Vec<String>, ReportError> {
        self.columns(&Float64Type::DATA_TYPE)
    }

    /// Returns the names of the columns of words.
    pub(super) fn words(self) -> Result<Vec<String>, ReportError> {
        self.columns(&DataType::Utf8)
    }

    fn columns(self, kind: &DataType) -> Result<Vec<String>, ReportError> {
        let reader = self
            .store
            .artifacts()
            .read_table(self.source.artifact, None)
            .map_err(|source| self.error(source))?;
        let fields = reader.schema().fields().iter();
        Ok(fields
            .filter(|field| field.data_type() == kind)
            .map(|field| field.name().clone())
            .collect())
    }

    /// Returns the columns that judges filled, as the table itself tells.
    pub(super) fn judged_columns(self) -> Result<Vec<ColumnMeaning>, ReportError> {
        let reader = self
            .store
            .artifacts()
            .read_table(self.source.artifact, None)
            .map_err(|source| self.error(source))?;
        Ok(column_meanings(reader.schema()))
    }

    pub(super) fn stage(self) -> String {
        self.graph.stages[self.source.stage].name()
    }

    pub(super) fn error(self, source: StoreError) -> ReportError {
        ReportError::Output {
            stage: self.stage(),
            output: self.source.output.to_owned(),
            source,
        }
    }

    pub(super) fn column_error(self, source: ColumnError) -> ReportError {
        ReportError::Column {
            stage: self.stage(),
            output: self.source.output.to_owned(),
            source,
        }
    }

    pub(super) fn value_error(self, what: &'static str, value: &str, row: usize) -> ReportError {
        ReportError::Value {
            stage: self.stage(),
            output: self.source.output.to_owned(),
            what,
            value: value.to_owned(),
            row,
        }
    }
}
