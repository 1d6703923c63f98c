//! How leases are used, and what a process remembers of those it waits for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::protocol::{Advice, Sight, Watch};
use crate::names::LeaseKey;

/// How leases are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Whether they are used at all. By default yes.
    pub enabled: bool,
    /// After this time without a sign of life a holder on another host counts as dead. By default 120 s.
    pub time_to_live: Duration,
    /// The job of a cluster that this process belongs to, told to those who wait.
    pub job: Option<String>,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            time_to_live: Duration::from_secs(120),
            job: None,
        }
    }
}

/// What a process remembers of the leases it waits for.
#[derive(Debug)]
pub(crate) struct LeaseMemory {
    settings: LeaseSettings,
    begun: Instant,
    watches: Mutex<HashMap<LeaseKey, Watch<Vec<u8>>>>,
}

impl LeaseMemory {
    pub(crate) fn new(settings: LeaseSettings) -> Self {
        Self {
            settings,
            begun: Instant::now(),
            watches: Mutex::default(),
        }
    }

    pub(super) fn settings(&self) -> &LeaseSettings {
        &self.settings
    }

    /// Says what to do about a lease at the sight of its newest file.
    pub(super) fn judge(
        &self,
        key: &LeaseKey,
        looked: Option<Sight<Vec<u8>>>,
        dead: bool,
    ) -> Advice<Vec<u8>> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watch = watches.remove(key).unwrap_or_default();
        let advice = watch.judge(looked, dead, self.begun.elapsed(), self.settings.time_to_live);
        if matches!(advice, Advice::Wait { .. }) {
            watches.insert(*key, watch);
        }
        advice
    }
}
