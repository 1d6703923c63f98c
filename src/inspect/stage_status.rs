//! What each stage of a run did last, as its processes told it.

use std::collections::BTreeMap;

use mitune_store::ProcessEvent;
use serde::Serialize;
use serde_json::Value;

/// The state of a stage that was begun.
const STARTED: &str = "started";

/// What a stage of a run did last.
#[derive(Debug, Serialize)]
pub(crate) struct StageStatus {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    /// How far it is, or whom it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
}

/// How a process stands that told of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessLife {
    /// It is at work, as far as is known.
    Living,
    /// It said how it ended.
    Ended,
    /// It is gone without a word.
    Gone,
}

/// Reads off the events what each stage did last, in the order in which they began.
///
/// Of several processes the one that has the result counts: what the others do with the stage is to find it. As long
/// as nobody has it, the one counts that has the stage in hand, not one that waits for it or has ended.
pub(super) fn stages(
    events: &[ProcessEvent],
    life: impl Fn(Option<usize>) -> ProcessLife,
) -> Vec<StageStatus> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    // A process is at one stage at a time, the one that it began last.
    let mut begun: BTreeMap<Option<usize>, &str> = BTreeMap::new();
    for (place, told) in events.iter().enumerate() {
        let Some(name) = told.event.fields.get("stage").and_then(Value::as_str) else {
            continue;
        };
        if told.event.event == "stage_started" {
            begun.insert(told.process, name);
        }
        let known = stages.iter().position(|stage| stage.name == name);
        let index = known.unwrap_or_else(|| {
            stages.push(Stage::new(name));
            stages.len() - 1
        });
        stages[index].follow(place, told);
    }
    let is_at = |process: Option<usize>, stage: &str| begun.get(&process).is_some_and(|last| *last == stage);
    stages.iter().map(|stage| stage.status(&life, &is_at)).collect()
}

/// What was told of one stage.
struct Stage<'e> {
    name: &'e str,
    done: bool,
    found: bool,
    seconds: Option<f64>,
    /// What each process did with it.
    parts: BTreeMap<Option<usize>, Part>,
}

/// What one process did with a stage.
struct Part {
    state: &'static str,
    progress: Option<String>,
    waits_for: Option<String>,
    /// Place of what it told last.
    last: usize,
}

impl<'e> Stage<'e> {
    fn new(name: &'e str) -> Self {
        Self {
            name,
            done: false,
            found: false,
            seconds: None,
            parts: BTreeMap::new(),
        }
    }

    fn follow(&mut self, place: usize, told: &ProcessEvent) {
        let fields = &told.event.fields;
        match told.event.event.as_str() {
            "stage_finished" => {
                self.done = true;
                self.seconds = fields.get("seconds").and_then(Value::as_f64);
            }
            "stage_reused" => self.found = true,
            // Also one that was found and turned out to be none.
            "stage_started" => self.found = false,
            _ => {}
        }
        let part = self.parts.entry(told.process).or_insert_with(|| Part {
            state: STARTED,
            progress: None,
            waits_for: None,
            last: place,
        });
        part.last = place;
        match told.event.event.as_str() {
            "stage_started" => part.state = STARTED,
            "stage_failed" => part.state = "failed",
            "stage_interrupted" => part.state = "stopped",
            "waiting" => part.waits_for = fields.get("for").and_then(Value::as_str).map(str::to_owned),
            "progress" => (part.state, part.progress) = (STARTED, Some(progress(fields))),
            _ => {}
        }
    }

    fn status(
        &self,
        life: &impl Fn(Option<usize>) -> ProcessLife,
        is_at: &impl Fn(Option<usize>, &str) -> bool,
    ) -> StageStatus {
        let weight = |process: Option<usize>, part: &Part| {
            let waits = part.waits_for.is_some();
            let living = life(process) == ProcessLife::Living && part.state == STARTED;
            let rank: u8 = match (living, waits) {
                (true, false) if is_at(process, self.name) => 3,
                (true, true) => 2,
                (_, false) => 1,
                (false, true) => 0,
            };
            (rank, part.progress.is_some() && rank == 3, part.last)
        };
        let parts = self.parts.iter();
        let parts = parts.map(|(process, part)| (weight(*process, part), *process, part));
        let first = parts.max_by_key(|(weight, ..)| *weight);
        let (mut state, mut progress) = (STARTED, None);
        if let Some((_, process, part)) = first {
            let ended = life(process) == ProcessLife::Ended;
            let waits_for = part.waits_for.as_ref().filter(|_| !ended && !self.done);
            state = if ended && part.state == STARTED {
                "stopped"
            } else {
                part.state
            };
            progress = match waits_for {
                Some(holder) => Some(format!("waiting for {holder}")),
                None => part.progress.clone(),
            };
        }
        if self.done {
            state = "done";
        } else if self.found {
            (state, progress) = ("found", None);
        }
        StageStatus {
            name: self.name.to_owned(),
            state,
            progress,
            seconds: self.seconds,
        }
    }
}

fn progress(fields: &BTreeMap<String, Value>) -> String {
    let number = |name: &str| fields.get(name).and_then(Value::as_u64).unwrap_or(0);
    let unit = fields.get("unit").and_then(Value::as_str).unwrap_or_default();
    format!("{}/{} {unit}", number("done"), number("total"))
}

#[cfg(test)]
mod tests {
    use mitune_store::{RunEvent, Timestamp};
    use serde_json::json;

    use super::*;

    fn told(process: usize, event: &str, mut fields: Value) -> ProcessEvent {
        if fields.get("stage").is_none() {
            fields["stage"] = json!("adapter");
        }
        ProcessEvent {
            process: Some(process),
            event: RunEvent {
                time: Timestamp(0),
                event: event.to_owned(),
                fields: serde_json::from_value(fields).unwrap(),
            },
        }
    }

    fn adapter(events: &[ProcessEvent], lives: [ProcessLife; 2]) -> (&'static str, Option<String>) {
        let stages = stages(events, |process| {
            process.map_or(ProcessLife::Gone, |process| lives[process])
        });
        (stages[0].state, stages[0].progress.clone())
    }

    #[test]
    fn whoever_waits_or_stops_does_not_hide_who_computes() {
        use ProcessLife::{Ended, Gone, Living};
        let steps = |done: u64| json!({"done": done, "total": 8, "unit": "steps"});
        let mut events = vec![
            told(0, "stage_started", json!({})),
            told(0, "progress", steps(3)),
            told(1, "stage_started", json!({})),
            told(1, "waiting", json!({"for": "vm:1"})),
        ];
        let at_work = ("started", Some("3/8 steps".to_owned()));
        let waits = ("started", Some("waiting for vm:1".to_owned()));
        assert_eq!(adapter(&events, [Living, Living]), at_work);
        assert_eq!(adapter(&events, [Living, Ended]), at_work);
        assert_eq!(adapter(&events, [Gone, Living]), waits);
        assert_eq!(adapter(&events, [Gone, Gone]), at_work);
        assert_eq!(adapter(&events[2..], [Gone, Ended]), ("stopped", None));
        // What an older program wrote of one that only waited.
        events.push(told(1, "stage_interrupted", json!({})));
        assert_eq!(adapter(&events, [Living, Ended]), at_work);
        events.push(told(0, "stage_finished", json!({"seconds": 2.0})));
        assert_eq!(adapter(&events, [Ended, Ended]).0, "done");
    }

    #[test]
    fn a_process_has_one_stage_in_hand_and_takes_over() {
        use ProcessLife::{Ended, Living};
        let mut events = vec![
            told(1, "stage_started", json!({})),
            told(1, "waiting", json!({"for": "vm:1"})),
            told(1, "waiting", json!({"for": null})),
            told(1, "stage_started", json!({"stage": "other"})),
            told(0, "stage_started", json!({})),
            told(0, "stage_failed", json!({})),
        ];
        assert_eq!(adapter(&events, [Living, Ended]).0, "failed");
        events.push(told(1, "stage_started", json!({})));
        assert_eq!(adapter(&events, [Ended, Living]).0, "started");
        events.push(told(0, "stage_reused", json!({})));
        assert_eq!(adapter(&events, [Ended, Living]).0, "found");
    }
}
