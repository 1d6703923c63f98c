//! Speed and remaining time of counted work.

use std::time::{Duration, Instant};

use mitune_stages::contract::Work;

use super::readable::{duration, number};

/// Counts units of work; those found in the store count as done but say nothing about the speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    work: Work,
    done: u64,
    started: Instant,
}

impl Counter {
    pub(crate) fn start(work: Work) -> Self {
        Self {
            work,
            done: work.reused,
            started: Instant::now(),
        }
    }

    pub(crate) fn add(&mut self, units: u64) {
        self.done = self.done.saturating_add(units);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    pub(crate) fn total(&self) -> u64 {
        self.work.total
    }

    /// Writes count, speed and remaining time, such as `128/960 candidates, 4.20/s, 3 min 18 s left`.
    pub(crate) fn describe(&self) -> String {
        self.describe_after(self.started.elapsed())
    }

    /// Writes speed and remaining time, nothing while there is no speed yet.
    pub(crate) fn speed(&self) -> String {
        self.speed_after(self.started.elapsed())
    }

    fn describe_after(&self, elapsed: Duration) -> String {
        let Work { total, unit, .. } = self.work;
        let speed = self.speed_after(elapsed);
        let comma = if speed.is_empty() { "" } else { ", " };
        format!("{}/{total} {unit}{comma}{speed}", self.done)
    }

    fn speed_after(&self, elapsed: Duration) -> String {
        let new = self.done.saturating_sub(self.work.reused);
        if new == 0 || elapsed.is_zero() {
            return String::new();
        }
        let per_second = new as f64 / elapsed.as_secs_f64();
        let left = self.work.total.saturating_sub(self.done) as f64 / per_second;
        format!(
            "{}/s, {} left",
            number(per_second),
            duration(Duration::from_secs_f64(left))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reused_units_do_not_count_towards_the_speed() {
        let mut counter = Counter::start(Work {
            total: 100,
            reused: 60,
            unit: "candidates",
        });
        let second = Duration::from_secs(1);
        assert_eq!(counter.describe_after(second), "60/100 candidates");
        counter.add(10);
        assert_eq!(
            counter.describe_after(second * 5),
            "70/100 candidates, 2.00/s, 15 s left"
        );
        assert_eq!(counter.describe_after(Duration::ZERO), "70/100 candidates");
    }
}
