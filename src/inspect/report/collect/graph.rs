//! The stages of a run with their results, and how they hang together.

use std::collections::HashMap;

use mitune_stages::contract::reference::{Reference, RoundSelector};
use mitune_store::{
    ActionRecord, Artifact, InputRecord, Lookup, MissReason, RunEvent, RunRecord, RunStatus, StageKey, Store,
};

use super::super::error::ReportError;
use super::super::model::Origin;
use crate::engine::Outcome;

/// The stages of a run, each key once, in the order in which they ran.
pub(super) struct RunGraph {
    pub(super) stages: Vec<RunStage>,
    by_key: HashMap<StageKey, usize>,
}

/// A stage key of the run.
pub(super) struct RunStage {
    pub(super) key: StageKey,
    /// The stages of the pipeline that have this key.
    pub(super) names: Vec<StageLabel>,
    /// None while there is no result.
    pub(super) record: Option<ActionRecord>,
    pub(super) outcome: Option<Outcome>,
    pub(super) seconds: Option<f64>,
}

/// The name of a stage, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StageLabel {
    pub(super) text: String,
    pub(super) stage: String,
    pub(super) round: Option<u32>,
    pub(super) arms: Vec<String>,
}

/// An artifact with the stage that yielded it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) stage: usize,
    pub(super) output: &'a str,
    pub(super) artifact: &'a Artifact,
}

impl RunGraph {
    /// Gathers the stages of a run and looks up their results.
    ///
    /// A run that ended well must have all results; one that did not may lack some.
    pub(super) fn read(store: &Store, run: &RunRecord, events: &[RunEvent]) -> Result<Self, ReportError> {
        let mut graph = Self {
            stages: Vec::new(),
            by_key: HashMap::new(),
        };
        for event in events {
            graph.follow(event);
        }
        for (name, key) in &run.stages {
            graph.stage(name, *key);
        }
        for stage in &mut graph.stages {
            stage.record = match store.records().peek(&stage.key) {
                Lookup::Hit(record) => Some(*record),
                Lookup::Miss(MissReason::NotRecorded) if run.status != RunStatus::Succeeded => None,
                Lookup::Miss(source) => {
                    return Err(ReportError::MissingResult {
                        stage: stage.name(),
                        key: stage.key.short(),
                        source,
                    });
                }
            };
        }
        Ok(graph)
    }

    /// Finds where an input came from; none for data from outside the store.
    pub(super) fn source(&self, input: &InputRecord) -> Option<Source<'_>> {
        let stage = *self.by_key.get(input.stage.as_ref()?)?;
        let outputs = &self.stages[stage].record.as_ref()?.outputs;
        let (output, artifact) = outputs
            .iter()
            .find(|(_, artifact)| artifact.content == input.content)?;
        Some(Source {
            stage,
            output,
            artifact,
        })
    }

    /// Finds the first input of a stage that came from a stage of one kind.
    pub(super) fn input_of_kind(&self, stage: usize, kind: &str) -> Option<Source<'_>> {
        let inputs = &self.stages[stage].record.as_ref()?.inputs;
        inputs
            .values()
            .filter_map(|input| self.source(input))
            .find(|source| self.kind(source.stage) == Some(kind))
    }

    /// Lists what a stage read from the store.
    pub(super) fn inputs(&self, stage: usize) -> impl Iterator<Item = Source<'_>> {
        let record = self.stages[stage].record.iter();
        let inputs = record.flat_map(|record| record.inputs.values());
        inputs.filter_map(|input| self.source(input))
    }

    /// Returns what came in at a port.
    pub(super) fn input(&self, stage: usize, port: &str) -> Option<Source<'_>> {
        self.source(self.stages[stage].record.as_ref()?.inputs.get(port)?)
    }

    /// Lists the stages of a kind that have a result.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = usize> {
        (0..self.stages.len()).filter(move |&stage| self.kind(stage) == Some(kind))
    }

    /// Returns the kind of a stage with a result.
    pub(super) fn kind(&self, stage: usize) -> Option<&str> {
        Some(self.stages[stage].record.as_ref()?.stage.as_str())
    }

    /// Returns an output of a stage.
    pub(super) fn output<'a>(&'a self, stage: usize, output: &str) -> Option<Source<'a>> {
        let outputs = &self.stages[stage].record.as_ref()?.outputs;
        let (output, artifact) = outputs.get_key_value(output)?;
        Some(Source {
            stage,
            output,
            artifact,
        })
    }

    /// Returns name and anchor of a stage.
    pub(super) fn origin(&self, stage: usize) -> Origin {
        Origin {
            name: self.stages[stage].short_name(),
            anchor: self.stages[stage].anchor(),
        }
    }

    fn follow(&mut self, event: &RunEvent) {
        let text = |field: &str| event.fields.get(field).and_then(serde_json::Value::as_str);
        let key = text("key").and_then(|key| key.parse::<StageKey>().ok());
        let (Some(name), Some(key)) = (text("stage"), key) else {
            return;
        };
        let stage = self.stage(name, key);
        let outcome = match event.event.as_str() {
            "stage_finished" => Outcome::Computed,
            "stage_reused" => Outcome::Reused,
            _ => return,
        };
        // A key that was computed for one stage is found by the next one: it counts as computed.
        if stage.outcome != Some(Outcome::Computed) {
            stage.outcome = Some(outcome);
        }
        let seconds = event.fields.get("seconds").and_then(serde_json::Value::as_f64);
        if let Some(seconds) = seconds {
            *stage.seconds.get_or_insert(0.0) += seconds;
        }
    }

    fn stage(&mut self, name: &str, key: StageKey) -> &mut RunStage {
        let position = *self.by_key.entry(key).or_insert(self.stages.len());
        if position == self.stages.len() {
            self.stages.push(RunStage {
                key,
                names: Vec::new(),
                record: None,
                outcome: None,
                seconds: None,
            });
        }
        let stage = &mut self.stages[position];
        if stage.names.iter().all(|known| known.text != name) {
            stage.names.push(StageLabel::of(name));
        }
        stage
    }
}

impl RunStage {
    /// Returns the names in one text.
    pub(super) fn name(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| name.text.as_str()).collect();
        names.join(", ")
    }

    /// Returns the first name, and how many others there are.
    fn short_name(&self) -> String {
        match &self.names[..] {
            [] => String::new(),
            [only] => only.text.clone(),
            [first, others @ ..] => format!("{} (+{})", first.text, others.len()),
        }
    }

    /// Returns the fragment that names the stage within the page.
    pub(super) fn anchor(&self) -> String {
        format!("stage-{}", self.key.short())
    }
}

impl StageLabel {
    /// Takes a name apart, as [`crate::pipeline::StageName`] writes it.
    pub(super) fn of(text: &str) -> Self {
        let plain = || Self {
            text: text.to_owned(),
            stage: text.to_owned(),
            round: None,
            arms: Vec::new(),
        };
        let Ok(reference) = text.parse::<Reference>() else {
            return plain();
        };
        let round = match reference.round {
            Some(RoundSelector::Number(round)) => Some(round),
            None => None,
            Some(_) => return plain(),
        };
        Self {
            text: text.to_owned(),
            stage: reference.stage,
            round,
            arms: reference.arms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StageLabel;

    #[test]
    fn names_are_taken_apart_and_odd_ones_stay_whole() {
        let label = StageLabel::of("finetune@2/mi_signed/0.5");
        assert_eq!((label.stage.as_str(), label.round), ("finetune", Some(2)));
        assert_eq!(label.arms, ["mi_signed", "0.5"]);
        for odd in ["", "<b>", "a@*", "a@last/x"] {
            let label = StageLabel::of(odd);
            assert_eq!(
                (label.stage.as_str(), label.round, label.arms.len()),
                (odd, None, 0)
            );
        }
    }
}
