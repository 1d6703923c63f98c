//! Runs work several times and notes what it took.

use std::fs;
use std::time::Instant;

use burn::tensor::Device;

use super::Measurement;
use crate::contract::{Progress, StageError};

/// Times pieces of work one after another.
pub(super) struct Meter<'a> {
    runs: usize,
    device: Device,
    progress: &'a dyn Progress,
    measurements: Vec<Measurement>,
}

/// A piece of work, run as often as it is called; it returns when the device is done.
pub(super) struct TimedWork<'w> {
    pub(super) name: &'static str,
    pub(super) batch: usize,
    pub(super) operations: Option<u64>,
    /// What runs first and is not counted, where that need not be the whole work.
    pub(super) warm_up: Option<Box<dyn FnMut() -> Result<(), StageError> + 'w>>,
    pub(super) run: Box<dyn FnMut() -> Result<(), StageError> + 'w>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(runs: usize, device: Device, progress: &'a dyn Progress) -> Self {
        Self {
            runs: runs.max(1),
            device,
            progress,
            measurements: Vec::new(),
        }
    }

    pub(super) fn into_measurements(self) -> Vec<Measurement> {
        self.measurements
    }

    /// Peak of the last piece of work.
    pub(super) fn last_peak(&self) -> Option<u64> {
        self.measurements.last().and_then(|last| last.peak_bytes)
    }

    /// Measures one piece of work.
    pub(super) fn measure(&mut self, work: TimedWork<'_>) -> Result<(), StageError> {
        self.measure_in_turn(vec![work])
    }

    /// Measures pieces of work in turn, run by run, so that a machine whose speed drifts is as slow for each.
    pub(super) fn measure_in_turn(&mut self, mut works: Vec<TimedWork<'_>>) -> Result<(), StageError> {
        let mut seconds = vec![Vec::new(); works.len()];
        let mut peaks = vec![None; works.len()];
        for run in 0..=self.runs {
            for (index, work) in works.iter_mut().enumerate() {
                if run == 0 {
                    let message = format!("{}, batch {}", work.name, work.batch);
                    self.progress.message(&message);
                }
                let counts = reset_peak();
                let start = Instant::now();
                match (run, &mut work.warm_up) {
                    (0, Some(warm_up)) => warm_up()?,
                    _ => (work.run)()?,
                }
                if run > 0 {
                    seconds[index].push(start.elapsed().as_secs_f64());
                    let peak = counts.then(peak_resident).flatten();
                    peaks[index] = peaks[index].max(peak);
                }
            }
        }
        for ((work, mut seconds), peak_bytes) in works.into_iter().zip(seconds).zip(peaks) {
            seconds.sort_by(f64::total_cmp);
            self.measurements.push(Measurement {
                work: work.name,
                batch: work.batch,
                seconds: seconds[seconds.len() / 2],
                best_seconds: seconds[0],
                runs: seconds.len(),
                operations: work.operations,
                peak_bytes,
                device_bytes: self.device.memory_pool_usage().map(|usage| usage.bytes_reserved),
            });
        }
        Ok(())
    }
}

/// Lets the peak of the process's memory start from what it holds now; false where the system cannot.
fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory the process held since [`reset_peak`].
fn peak_resident() -> Option<u64> {
    kibibytes("VmHWM:").map(|kibibytes| kibibytes * 1024)
}

/// Memory that programs can still have, where the system tells.
pub(super) fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    field(&text, "MemAvailable:").map(|kibibytes| kibibytes * 1024)
}

/// Memory the process holds now.
pub(super) fn resident_bytes() -> Option<u64> {
    kibibytes("VmRSS:").map(|kibibytes| kibibytes * 1024)
}

fn kibibytes(name: &str) -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, name)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
