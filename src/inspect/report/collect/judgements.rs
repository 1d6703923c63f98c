//! What judges said of the candidates that a page shows.

use std::collections::{HashMap, HashSet};

use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use mitune_stages::judge::ColumnMeaning;
use mitune_stages::judges::ColumnKind;
use mitune_stages::tables::columns::{ColumnError, number_column, string_column};
use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::{ImageJudgement, Said};
use super::graph::RunGraph;
use super::pictures::Identity;
use super::pools::Pool;
use super::tables::Table;

/// Columns that are shown of an image at most.
const MOST_COLUMNS: usize = 16;

/// What judges said, image by image, in the order of stages and columns.
pub(super) type Judgements = HashMap<Identity, Vec<ImageJudgement>>;

/// Reads what judges said of some candidates of a pool.
pub(super) fn judgements(
    store: &Store,
    graph: &RunGraph,
    pool: &Pool<'_>,
    wanted: &HashSet<Identity>,
) -> Result<Judgements, ReportError> {
    let mut judgements = Judgements::new();
    let mut free = MOST_COLUMNS;
    for &stage in &pool.judged_by {
        let Some(source) = graph.output(stage, "scores") else {
            continue;
        };
        let table = Table { store, graph, source };
        let mut columns = table.judged_columns()?;
        columns.truncate(free);
        free -= columns.len();
        if !columns.is_empty() {
            add(table, &columns, wanted, &mut judgements)?;
        }
    }
    Ok(judgements)
}

fn add(
    table: Table<'_>,
    columns: &[ColumnMeaning],
    wanted: &HashSet<Identity>,
    judgements: &mut Judgements,
) -> Result<(), ReportError> {
    let names = columns.iter().map(|column| column.name.as_str());
    let names: Vec<&str> = ["prompt_id", "seed_index"].into_iter().chain(names).collect();
    for batch in table.read(Some(&names))? {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(|error| table.column_error(error))?;
        let seeds =
            number_column::<UInt32Type>(&batch, "seed_index").map_err(|error| table.column_error(error))?;
        for row in 0..batch.num_rows() {
            let identity = (ids.value(row).to_owned(), seeds.value(row));
            if !wanted.contains(&identity) {
                continue;
            }
            let of_image = judgements.entry(identity).or_default();
            for column in columns {
                of_image.push(ImageJudgement {
                    column: column.name.clone(),
                    meaning: column.meaning.clone(),
                    said: said(&batch, column, row).map_err(|error| table.column_error(error))?,
                });
            }
        }
    }
    Ok(())
}

fn said(batch: &RecordBatch, column: &ColumnMeaning, row: usize) -> Result<Said, ColumnError> {
    Ok(match column.kind {
        ColumnKind::Word => {
            let words = string_column(batch, &column.name)?;
            Said::Word(words.is_valid(row).then(|| words.value(row).to_owned()))
        }
        ColumnKind::HigherIsBetter | ColumnKind::LowerIsBetter => {
            Said::Number(number_column::<Float64Type>(batch, &column.name)?.value(row))
        }
    })
}
