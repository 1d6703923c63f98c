//! The progress of a transfer on standard error: a bar on a terminal, plain lines elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mitune_store::remote::TransferObserver;

use super::bar::Bar;
use super::output::{remark, shows_bars};
use super::readable::{bytes, duration};

/// How often a plain line tells the count.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows a transfer on standard error.
pub(crate) struct TransferDisplay {
    action: String,
    bar: Option<Bar>,
    state: Mutex<State>,
}

struct State {
    started: Instant,
    line: Instant,
    objects: u64,
    planned_objects: u64,
    bytes: u64,
    planned_bytes: u64,
}

impl TransferDisplay {
    /// Chooses a bar if standard error is a terminal and `NO_COLOR` is not set.
    pub(crate) fn new(action: &str) -> Self {
        let template =
            "{spinner} {prefix} {bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left {msg}";
        let bar = shows_bars().then(|| Bar::start(template, action));
        let now = Instant::now();
        Self {
            action: action.to_owned(),
            bar,
            state: Mutex::new(State {
                started: now,
                line: now,
                objects: 0,
                planned_objects: 0,
                bytes: 0,
                planned_bytes: 0,
            }),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if let Some(bar) = &self.bar {
            let files = format!("{}/{} files", state.objects, state.planned_objects);
            bar.show(state.bytes, state.planned_bytes, &files);
        } else if state.line.elapsed() >= LINE_INTERVAL {
            state.line = Instant::now();
            self.say(&format!("{}: {}", self.action, state.describe()));
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.say(text),
            None => remark(text),
        }
    }
}

impl State {
    fn describe(&self) -> String {
        let rate = self.bytes as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        let left = self.planned_bytes.saturating_sub(self.bytes) as f64 / rate.max(1.0);
        format!(
            "{} of {}, {}/{} files, {}/s, {} left",
            bytes(self.bytes),
            bytes(self.planned_bytes),
            self.objects,
            self.planned_objects,
            bytes(rate as u64),
            duration(Duration::from_secs_f64(left))
        )
    }
}

impl TransferObserver for TransferDisplay {
    fn planned(&self, objects: u64, bytes: u64) {
        self.change(|state| {
            state.planned_objects += objects;
            state.planned_bytes += bytes;
        });
    }

    fn advanced(&self, bytes: u64) {
        self.change(|state| state.bytes += bytes);
    }

    fn object_done(&self) {
        self.change(|state| state.objects += 1);
    }

    fn note(&self, text: &str) {
        self.say(text);
    }
}

impl Drop for TransferDisplay {
    fn drop(&mut self) {
        drop(self.bar.take());
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bytes > 0 {
            let time = state.started.elapsed();
            let rate = state.bytes as f64 / time.as_secs_f64().max(1e-3);
            self.say(&format!(
                "{}: {} in {}, {}/s",
                self.action,
                bytes(state.bytes),
                duration(time),
                bytes(rate as u64)
            ));
        }
    }
}
