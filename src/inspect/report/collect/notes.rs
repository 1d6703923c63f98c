//! What a reader should know besides the numbers.

use mitune_store::{RunEvent, RunStatus};

use super::super::model::Note;
use super::folders::without_folders;
use super::graph::RunGraph;
use super::pools::Pool;
use crate::engine::Outcome;

/// Gathers truncated prompts, failed stages and what stages told while they ran.
pub(super) fn notes(graph: &RunGraph, status: RunStatus, events: &[RunEvent]) -> Vec<Note> {
    let mut notes = Vec::new();
    let ending = match status {
        RunStatus::Succeeded => None,
        RunStatus::Running => Some("The run has not ended: what follows is what it has so far."),
        RunStatus::Failed => Some("The run failed: what follows is what it had until then."),
        RunStatus::Interrupted => Some("The run was interrupted: what follows is what it had until then."),
    };
    notes.extend(ending.map(|text| Note {
        origin: None,
        text: text.to_owned(),
    }));
    for (position, stage) in graph.stages.iter().enumerate() {
        let Some(record) = &stage.record else { continue };
        // A stage that ran in this run tells it in a message of its own.
        if stage.outcome == Some(Outcome::Computed) {
            continue;
        }
        let metric = |name: &str| record.metrics.get(name).and_then(serde_json::Value::as_u64);
        if let Some(truncated) = metric("truncated_prompts").filter(|&count| count > 0) {
            let of = metric("prompts").map_or_else(String::new, |prompts| format!(" of {prompts}"));
            let text = format!(
                "{truncated}{of} prompts are longer than the text encoder reads; their ends were cut off, as CLIP does."
            );
            notes.push(Note {
                origin: Some(graph.origin(position)),
                text,
            });
        }
    }
    for event in events {
        let text = |field: &str| event.fields.get(field).and_then(serde_json::Value::as_str);
        let told = match event.event.as_str() {
            "message" => text("text").map(str::to_owned),
            "stage_failed" => event
                .fields
                .get("error")
                .map(|error| format!("Failed: {}", causes(error))),
            _ => None,
        };
        let (Some(told), Some(name)) = (told, text("stage")) else {
            continue;
        };
        let position = graph
            .stages
            .iter()
            .position(|stage| stage.names.iter().any(|label| label.text == name));
        notes.push(Note {
            origin: position.map(|position| graph.origin(position)),
            text: without_folders(&told),
        });
    }
    notes
}

/// Says which pools were evaluated by several stages, as a page reads only the first.
pub(super) fn unread_evaluations(graph: &RunGraph, pools: &[Pool<'_>]) -> Vec<Note> {
    let several = pools.iter().filter_map(|pool| match pool.evaluated_by[..] {
        [first, _, ..] => Some((pool, first)),
        _ => None,
    });
    several
        .map(|(pool, first)| Note {
            origin: Some(graph.origin(pool.candidates.stage)),
            text: format!(
                "{} stages evaluated these candidates; the page shows what {} found.",
                pool.evaluated_by.len(),
                graph.stages[first].name()
            ),
        })
        .collect()
}

/// Joins the messages of an error and its causes.
fn causes(error: &serde_json::Value) -> String {
    let messages: Vec<&str> = match error {
        serde_json::Value::Array(messages) => messages.iter().filter_map(serde_json::Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    messages.join(": ")
}
