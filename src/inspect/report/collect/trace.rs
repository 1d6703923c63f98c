//! The MI of candidates over the steps of sampling.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use mitune_stages::statistics::bootstrap::quantile;
use mitune_stages::tables::columns::{f32_list, list_column, number_column, string_column};
use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::{Trace, TraceBand};
use super::evaluations::Evaluation;
use super::graph::RunGraph;
use super::pools::Pool;
use super::tables::Table;

/// Candidates that are kept at most; quartiles hardly change beyond.
const LIMIT: usize = 50_000;

/// Summarises the traces of a pool, aligned and other candidates apart where that is known.
///
/// Candidates whose timesteps differ from those of the first, whose trace is no number somewhere or that were not
/// evaluated with the others are left out and counted. None without any trace.
pub(super) fn trace(
    store: &Store,
    graph: &RunGraph,
    pool: &Pool<'_>,
    evaluation: Option<&Evaluation>,
) -> Result<Option<Trace>, ReportError> {
    let table = Table {
        store,
        graph,
        source: pool.candidates,
    };
    let aligned: Option<HashMap<(&str, u32), bool>> = evaluation.map(|evaluation| {
        let rows = evaluation.rows.iter();
        rows.map(|row| ((row.prompt_id.as_str(), row.seed_index), row.aligned))
            .collect()
    });
    let mut timesteps: Vec<i32> = Vec::new();
    let mut groups: [Vec<Vec<f32>>; 2] = [Vec::new(), Vec::new()];
    let mut left_out = 0;
    let columns = ["prompt_id", "seed_index", "mi_trace", "timesteps"];
    for batch in table.read(Some(&columns))? {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(|error| table.column_error(error))?;
        let seeds =
            number_column::<UInt32Type>(&batch, "seed_index").map_err(|error| table.column_error(error))?;
        let traces = list_column(&batch, "mi_trace").map_err(|error| table.column_error(error))?;
        let steps = list_column(&batch, "timesteps").map_err(|error| table.column_error(error))?;
        for row in 0..batch.num_rows() {
            let values = steps.value(row);
            let own: Vec<i32> = values
                .as_primitive_opt::<Int32Type>()
                .map_or_else(Vec::new, |values| values.values().to_vec());
            if timesteps.is_empty() {
                timesteps.clone_from(&own);
            }
            let trace = f32_list(traces, "mi_trace", row).map_err(|error| table.column_error(error))?;
            let group = match &aligned {
                Some(aligned) => match aligned.get(&(ids.value(row), seeds.value(row))) {
                    Some(true) => 0,
                    Some(false) => 1,
                    None => {
                        left_out += 1;
                        continue;
                    }
                },
                None => 0,
            };
            let usable =
                own == timesteps && trace.len() == own.len() && trace.iter().all(|value| value.is_finite());
            if usable && groups[0].len() + groups[1].len() < LIMIT {
                groups[group].push(trace);
            } else {
                left_out += 1;
            }
        }
    }
    let names = match aligned {
        Some(_) => ["aligned", "not aligned"],
        None => ["all candidates", ""],
    };
    let bands: Vec<TraceBand> = names
        .into_iter()
        .zip(&groups)
        .filter(|(_, traces)| !traces.is_empty())
        .map(|(name, traces)| TraceBand {
            name,
            candidates: traces.len(),
            quartiles: quartiles(traces, timesteps.len()),
        })
        .collect();
    Ok((!bands.is_empty() && timesteps.len() > 1).then(|| Trace {
        model: pool.model.clone(),
        origin: graph.origin(pool.candidates.stage),
        timesteps,
        bands,
        left_out,
    }))
}

fn quartiles(traces: &[Vec<f32>], steps: usize) -> Vec<[f64; 3]> {
    (0..steps)
        .map(|step| {
            let mut values: Vec<f64> = traces.iter().map(|trace| f64::from(trace[step])).collect();
            values.sort_unstable_by(f64::total_cmp);
            [0.25, 0.5, 0.75].map(|share| quantile(&values, share))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::quartiles;

    #[test]
    fn quartiles_interpolate_between_order_statistics() {
        let traces: Vec<Vec<f32>> = [4.0, 1.0, 3.0, 2.0].map(|value| vec![value, -value]).to_vec();
        assert_eq!(quartiles(&traces, 2), [[1.75, 2.5, 3.25], [-3.25, -2.5, -1.75]]);
        assert_eq!(quartiles(&[vec![7.0]], 1), [[7.0; 3]]);
    }
}
