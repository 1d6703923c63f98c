//! Two runs compared, for people.

use mitune_store::Timestamp;
use serde_json::Value;

use crate::engine::{change, shortened};
use crate::failure::Failure;
use crate::inspect::diff::{
    AdapterDistance, MetricChange, RunDifference, RunHead, StageDifference, StageRelation,
};
use crate::ui::{line, moment};

/// Prints what differs; stages with one and the same result are only counted.
pub(super) fn print(found: &RunDifference) -> Result<(), Failure> {
    line(format!("from {}", head(&found.first)))?;
    line(format!("to   {}", head(&found.second)))?;
    let same = found
        .stages
        .iter()
        .filter(|stage| stage.state == StageRelation::Same)
        .count();
    for stage in found
        .stages
        .iter()
        .filter(|stage| stage.state != StageRelation::Same)
    {
        print_stage(stage)?;
    }
    line(format!("the same: {same} of {} stages", found.stages.len()))
}

fn head(run: &RunHead) -> String {
    format!(
        "run {} of `{}`, {}",
        run.run,
        run.pipeline,
        moment(Timestamp(run.started))
    )
}

fn print_stage(stage: &StageDifference) -> Result<(), Failure> {
    let what = match stage.state {
        StageRelation::Same => "the same",
        StageRelation::EqualResults => "equal results",
        StageRelation::Changed => "another result",
        StageRelation::OnlyFirst => "only in the first run",
        StageRelation::OnlySecond => "only in the second run",
        StageRelation::Unknown => "a record is not in the store any more",
        StageRelation::Unfinished => "a run stopped before it had a result",
    };
    line(format!("{}: {what}", stage.name))?;
    for parameter in &stage.parameters {
        line(format!("  {}", change(parameter)))?;
    }
    if !stage.inputs.is_empty() {
        line(format!("  other input: {}", shortened(&stage.inputs)))?;
    }
    for metric in &stage.metrics {
        line(format!("  {}", metric_line(metric)))?;
    }
    for adapter in &stage.adapters {
        line(format!("  {}", adapter_line(adapter)))?;
    }
    Ok(())
}

fn metric_line(metric: &MetricChange) -> String {
    let side = |value: &Option<Value>| match value {
        None => "absent".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let (first, second) = (side(&metric.first), side(&metric.second));
    let change = metric
        .change
        .map_or_else(String::new, |change| format!(" ({change:+.4})"));
    format!("{}: {first} -> {second}{change}", metric.name)
}

fn adapter_line(adapter: &AdapterDistance) -> String {
    let Some(distance) = &adapter.distance else {
        let problem = adapter.problem.as_deref().unwrap_or("no reason given");
        return format!("{}: cannot be compared: {problem}", adapter.output);
    };
    let number = |value: Option<f64>| match value {
        Some(value) if value.is_finite() => format!("{value:.4}"),
        _ => "-".to_owned(),
    };
    format!(
        "{}: relative distance {}, cosine {}, norms {:.4} and {:.4}",
        adapter.output,
        number(Some(distance.relative_distance)),
        number(distance.cosine),
        distance.first_norm,
        distance.second_norm
    )
}
