//! What a stage will cost, judged by what a similar one took.

use mitune_store::{ActionRecord, StageKey, Timestamp};
use serde::Serialize;

/// What a stage will cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostEstimate {
    /// Seconds, if nothing of the work is there already.
    pub seconds: f64,
    /// The computation it is judged by.
    pub by: StageKey,
    /// When that one ended.
    pub measured: Timestamp,
    /// The device it ran on, `None` for stages without tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl CostEstimate {
    /// Judges by an earlier computation of the same kind; `units` is the size of the work ahead, if it is known.
    ///
    /// The time of the earlier one is first brought to its whole work, then to the size of the new one:
    /// `seconds / share * units / earlier units`. Without both sizes the work is taken to be the same.
    ///
    /// Returns `None` if the earlier one did no work of its own, which says nothing.
    pub(super) fn judge(earlier: &ActionRecord, units: Option<f64>) -> Option<Self> {
        let effort = earlier.effort;
        let share = effort.map_or(1.0, |effort| effort.share);
        let known = |units: Option<f64>| units.filter(|units| units.is_finite() && *units > 0.0);
        let growth = match (known(units), known(effort.and_then(|effort| effort.units))) {
            (Some(units), Some(earlier)) => units / earlier,
            _ => 1.0,
        };
        let seconds = earlier.cost_seconds / share * growth;
        (share > 0.0 && seconds.is_finite()).then(|| Self {
            seconds,
            by: earlier.key,
            measured: earlier.ended,
            device: earlier.producer.device.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use mitune_store::{Effort, Store, Value};

    use super::*;

    fn record(seconds: f64, effort: Option<Effort>) -> ActionRecord {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let value = Value::from("x");
        let key = StageKey::derive(&value).unwrap();
        let mut record = ActionRecord::new(key, store.records().put_preimage(&value).unwrap(), "generate", 1);
        (record.cost_seconds, record.effort) = (seconds, effort);
        record
    }

    #[test]
    fn time_grows_with_work_and_is_brought_to_the_whole() {
        let effort = |units, share| Some(Effort { units, share });
        for (earlier, units, seconds) in [
            (record(60.0, None), Some(1e6), Some(60.0)),
            (record(60.0, effort(None, 1.0)), Some(1e6), Some(60.0)),
            (record(60.0, effort(Some(100.0), 1.0)), None, Some(60.0)),
            (record(60.0, effort(Some(100.0), 1.0)), Some(250.0), Some(150.0)),
            (record(60.0, effort(Some(100.0), 0.25)), Some(50.0), Some(120.0)),
            (record(0.1, effort(Some(100.0), 0.0)), Some(50.0), None),
            (record(60.0, effort(Some(0.0), 1.0)), Some(50.0), Some(60.0)),
        ] {
            let estimate = CostEstimate::judge(&earlier, units);
            assert_eq!(estimate.map(|estimate| estimate.seconds), seconds);
        }
    }
}
