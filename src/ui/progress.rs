//! The progress of a run on standard error: bars on a terminal, plain lines elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mitune_stages::contract::{Progress, Work};
use mitune_store::RunId;

use super::bar::Bar;
use super::counter::Counter;
use super::output::{remark, shows_bars};
use super::readable::{duration, number};
use crate::engine::{Cause, Explanation, Observer, Outcome};
use crate::pipeline::{Pipeline, PipelineStage};

/// How often a plain line tells the count.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Lines that say why a stage computes.
const REASONS: usize = 5;

/// Shows a run on standard error.
pub(crate) struct RunDisplay {
    bars: bool,
    state: Mutex<State>,
}

struct State {
    stages: usize,
    /// Place of the stage that is shown.
    stage: Option<usize>,
    label: String,
    reused: usize,
    counter: Option<Counter>,
    metric: String,
    waiting: String,
    bar: Option<Bar>,
    line: Instant,
}

impl RunDisplay {
    /// Chooses bars if standard error is a terminal and `NO_COLOR` is not set.
    pub(crate) fn new() -> Self {
        let state = State {
            stages: 0,
            stage: None,
            label: String::new(),
            reused: 0,
            counter: None,
            metric: String::new(),
            waiting: String::new(),
            bar: None,
            line: Instant::now(),
        };
        Self {
            bars: shows_bars(),
            state: Mutex::new(state),
        }
    }

    /// Shows a command that has no stages.
    pub(crate) fn of_command(name: &str) -> Self {
        let display = Self::new();
        display.change(|state| state.start(name.to_owned(), display.bars));
        display
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    /// Begins to show a stage or a command.
    fn start(&mut self, label: String, bars: bool) {
        self.label = label;
        (self.counter, self.line) = (None, Instant::now());
        (self.metric, self.waiting) = Default::default();
        if bars {
            let bar = Bar::start("{spinner} {prefix} {bar:24} {pos}/{len} {msg}", &self.label);
            self.bar = Some(bar);
        } else {
            self.say(&self.label);
        }
    }

    /// Writes a line that stays, about the stage or command if one began.
    fn say_of_it(&self, text: &str) {
        self.say(&labelled(&self.label, text));
    }

    /// Writes a line that stays.
    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.say(text),
            None => remark(text),
        }
    }

    /// Tells how many stages in a row were found in the store.
    fn flush_reused(&mut self) {
        if self.reused > 0 {
            let stages = if self.reused == 1 { "stage" } else { "stages" };
            self.say(&format!("{} {stages} found in the store", self.reused));
            self.reused = 0;
        }
    }

    fn remarks(&self) -> String {
        [&self.metric, &self.waiting]
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(|text| format!(", {text}"))
            .collect()
    }

    fn show_count(&mut self) {
        let Some(counter) = &self.counter else { return };
        if let Some(bar) = &self.bar {
            let beside = format!("{}{}", counter.speed(), self.remarks());
            bar.show(counter.done(), counter.total(), &beside);
        } else if self.line.elapsed() >= LINE_INTERVAL {
            self.say(&format!(
                "{}: {}{}",
                self.label,
                counter.describe(),
                self.remarks()
            ));
            self.line = Instant::now();
        }
    }
}

impl Observer for RunDisplay {
    fn run_started(&self, run: &RunId, pipeline: &Pipeline) {
        self.change(|state| {
            state.stages = pipeline.stages.len();
            state.say(&format!("Run {run} of `{}`", pipeline.spec.name));
        });
    }

    fn run_joined(&self, run: &RunId, pipeline: &Pipeline) {
        self.change(|state| {
            state.stages = pipeline.stages.len();
            let name = &pipeline.spec.name;
            state.say(&format!(
                "Run {run} of `{name}`, joined: other processes are at it"
            ));
        });
    }

    fn stage_started(&self, index: usize, stage: &PipelineStage, explanation: &Explanation) {
        self.change(|state| {
            state.flush_reused();
            let label = format!("[{}/{}] {}", index + 1, state.stages, stage.name);
            state.stage = Some(index);
            state.start(label, self.bars);
            for text in reasons(explanation) {
                state.say(&format!("  {text}"));
            }
        });
    }

    fn stage_finished(&self, index: usize, _: &PipelineStage, outcome: Outcome, time: Duration) {
        self.change(|state| {
            // Other stages may be found while one is waited for.
            if state.stage == Some(index) {
                drop(state.bar.take());
            }
            if outcome == Outcome::Reused {
                state.reused += 1;
                return;
            }
            state.say(&format!(
                "{}: done in {}{}",
                state.label,
                duration(time),
                state.remarks()
            ));
        });
    }

    fn progress(&self) -> &dyn Progress {
        self
    }
}

fn labelled(label: &str, text: &str) -> String {
    match label {
        "" => text.to_owned(),
        label => format!("{label}: {text}"),
    }
}

/// Says why a stage computes and what it will cost, in a few lines.
fn reasons(explanation: &Explanation) -> Vec<String> {
    let mut lines = match explanation.cause {
        // Most stages of a first run: saying so each time would tell nothing.
        Cause::New => Vec::new(),
        _ => explanation.lines(),
    };
    let more = lines.len().saturating_sub(REASONS);
    if more > 0 {
        lines.truncate(REASONS);
        lines.push(format!(
            "and {more} more changes; `mitune plan --explain` lists all"
        ));
    }
    if let Some(cost) = &explanation.cost {
        let time = duration(Duration::from_secs_f64(cost.seconds.clamp(0.0, 1e9)));
        lines.push(format!("about {time} by recorded times"));
    }
    lines
}

impl Drop for RunDisplay {
    fn drop(&mut self) {
        self.change(|state| {
            drop(state.bar.take());
            state.flush_reused();
        });
    }
}

impl Progress for RunDisplay {
    fn begin(&self, work: Work) {
        self.change(|state| {
            state.counter = Some(Counter::start(work));
            if work.reused > 0 {
                state.say(&format!(
                    "{}: {} of {} {} found in the store",
                    state.label, work.reused, work.total, work.unit
                ));
            }
            state.show_count();
        });
    }

    fn advance(&self, units: u64) {
        self.change(|state| {
            if let Some(counter) = &mut state.counter {
                counter.add(units);
            }
            state.show_count();
        });
    }

    fn waiting(&self, holder: Option<&str>) {
        let waiting = holder.map_or_else(String::new, |holder| format!("waiting for {holder}"));
        self.change(|state| {
            if state.waiting == waiting {
                return;
            }
            state.waiting = waiting;
            match (&state.bar, holder) {
                // A stage that waits from its beginning has nothing to count.
                (Some(bar), _) if state.counter.is_none() => bar.remark(&state.waiting),
                (None, Some(_)) => state.say_of_it(&state.waiting),
                _ => state.show_count(),
            }
        });
    }

    fn message(&self, text: &str) {
        self.change(|state| state.say_of_it(text));
    }

    fn metric(&self, name: &str, _: u64, value: f64) {
        self.change(|state| {
            state.metric = format!("{name} {}", number(value));
            state.show_count();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_before_anything_began_has_no_label() {
        assert_eq!(labelled("", "nothing is kept"), "nothing is kept");
        assert_eq!(labelled("[1/2] a", "waits"), "[1/2] a: waits");
    }
}
