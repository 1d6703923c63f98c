//! Loss curves of trainings, reduced to what a chart can show.

use arrow_array::types::{Float64Type, UInt64Type};
use mitune_stages::tables::columns::number_column;
use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::{LossCurve, LossPoint};
use super::graph::RunGraph;
use super::tables::Table;

/// Points of a curve at most.
const POINTS: usize = 60;

/// Reads the loss curve of every stage that yields one.
pub(super) fn losses(store: &Store, graph: &RunGraph) -> Result<Vec<LossCurve>, ReportError> {
    let mut curves = Vec::new();
    for stage in 0..graph.stages.len() {
        let Some(source) = graph
            .output(stage, "losses")
            .filter(|found| found.artifact.rows.is_some())
        else {
            continue;
        };
        let (losses, left_out) = read(Table { store, graph, source })?;
        if losses.is_empty() {
            continue;
        }
        let tenth = losses.len().div_ceil(10);
        let mean = |part: &[(u64, f64)]| part.iter().map(|(_, loss)| loss).sum::<f64>() / part.len() as f64;
        let names = &graph.stages[stage].names;
        curves.push(LossCurve {
            origin: graph.origin(stage),
            names: names.iter().map(|name| name.text.clone()).collect(),
            steps: losses.len() as u64,
            left_out,
            first: mean(&losses[..tenth]),
            last: mean(&losses[losses.len() - tenth..]),
            points: reduce(&losses),
        });
    }
    Ok(curves)
}

/// Reads the finite losses with their steps, and counts the others.
fn read(table: Table<'_>) -> Result<(Vec<(u64, f64)>, usize), ReportError> {
    let mut losses = Vec::new();
    let mut rows = 0;
    for batch in table.read(Some(&["step", "loss"]))? {
        let batch = batch?;
        let steps = number_column::<UInt64Type>(&batch, "step").map_err(|error| table.column_error(error))?;
        let values =
            number_column::<Float64Type>(&batch, "loss").map_err(|error| table.column_error(error))?;
        let pairs = steps
            .values()
            .iter()
            .copied()
            .zip(values.values().iter().copied());
        rows += batch.num_rows();
        losses.extend(pairs.filter(|(_, loss)| loss.is_finite()));
    }
    let left_out = rows - losses.len();
    Ok((losses, left_out))
}

/// Averages runs of equal length, so that no more than `POINTS` remain.
fn reduce(losses: &[(u64, f64)]) -> Vec<LossPoint> {
    let length = losses.len().div_ceil(POINTS).max(1);
    losses
        .chunks(length)
        .map(|run| {
            let count = run.len() as f64;
            let values = || run.iter().map(|(_, loss)| *loss);
            LossPoint {
                step: run.iter().map(|(step, _)| *step as f64).sum::<f64>() / count,
                mean: values().sum::<f64>() / count,
                lowest: values().fold(f64::INFINITY, f64::min),
                highest: values().fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LossPoint, POINTS, reduce};

    #[test]
    fn a_reduced_curve_keeps_mean_and_range() {
        let losses: Vec<(u64, f64)> = (0..1000)
            .map(|step| (step, f64::from(step as u32 % 17)))
            .collect();
        let points = reduce(&losses);
        assert!(points.len() <= POINTS);
        assert_eq!(
            points[0],
            LossPoint {
                step: 8.0,
                mean: 8.0,
                lowest: 0.0,
                highest: 16.0
            }
        );
        let short = reduce(&losses[..3]);
        assert_eq!(
            short.iter().map(|point| point.mean).collect::<Vec<f64>>(),
            [0.0, 1.0, 2.0]
        );
    }
}
