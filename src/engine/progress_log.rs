//! Progress that is also kept in the run's log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mitune_stages::contract::{Progress, Work};
use mitune_store::RunLog;
use serde_json::{Value, json};

/// How often the count of finished units goes into the log; often enough for `status`, rare enough for any disk.
const INTERVAL: Duration = Duration::from_secs(2);

/// Progress that is shown and also kept in the run's log.
///
/// A log that cannot be written does not stop the work: results matter more than their story, and the next write to
/// the store itself will tell.
pub(super) struct ProgressLog<'a> {
    shown: &'a dyn Progress,
    log: &'a RunLog,
    stage: String,
    count: Mutex<Count>,
    waits_for: Mutex<Option<String>>,
}

struct Count {
    work: Option<Work>,
    done: u64,
    written: Instant,
}

impl<'a> ProgressLog<'a> {
    pub(super) fn new(shown: &'a dyn Progress, log: &'a RunLog, stage: String) -> Self {
        let count = Count {
            work: None,
            done: 0,
            written: Instant::now(),
        };
        Self {
            shown,
            log,
            stage,
            count: Mutex::new(count),
            waits_for: Mutex::default(),
        }
    }

    /// Returns the part of the work that was done now rather than found, from 0 to 1.
    ///
    /// A stage that never said how much it has to do did all of it.
    pub(super) fn share(&self) -> f64 {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        match count.work {
            Some(work) if work.total > 0 => {
                (count.done.saturating_sub(work.reused) as f64 / work.total as f64).min(1.0)
            }
            _ => 1.0,
        }
    }

    fn write<const N: usize>(&self, event: &str, fields: [(&str, Value); N]) {
        let stage = [("stage".to_owned(), json!(self.stage))];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        let fields: BTreeMap<String, Value> = stage.into_iter().chain(fields).collect();
        // See the type: a log that cannot be written stops nothing.
        let _ = self.log.event(event, fields);
    }

    fn write_count(&self, count: &mut Count) {
        if let Some(work) = count.work {
            let fields = [
                ("done", json!(count.done)),
                ("total", json!(work.total)),
                ("unit", json!(work.unit)),
            ];
            self.write("progress", fields);
            count.written = Instant::now();
        }
    }
}

impl Progress for ProgressLog<'_> {
    fn begin(&self, work: Work) {
        self.shown.begin(work);
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        (count.work, count.done) = (Some(work), work.reused);
        self.write_count(&mut count);
    }

    fn advance(&self, units: u64) {
        self.shown.advance(units);
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.done += units;
        if count.written.elapsed() >= INTERVAL || count.work.is_some_and(|work| work.total == count.done) {
            self.write_count(&mut count);
        }
    }

    fn waiting(&self, holder: Option<&str>) {
        self.shown.waiting(holder);
        let mut waits_for = self.waits_for.lock().unwrap_or_else(PoisonError::into_inner);
        if waits_for.as_deref() != holder {
            *waits_for = holder.map(str::to_owned);
            self.write("waiting", [("for", json!(holder))]);
        }
    }

    fn message(&self, text: &str) {
        self.shown.message(text);
        self.write("message", [("text", json!(text))]);
    }

    fn metric(&self, name: &str, step: u64, value: f64) {
        self.shown.metric(name, step, value);
        self.write(
            "metric",
            [
                ("name", json!(name)),
                ("step", json!(step)),
                ("value", json!(value)),
            ],
        );
    }
}
