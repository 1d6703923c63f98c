//! Results that were computed again, beside what the store has of them.

mod peak_signal_to_noise;

use mitune_store::{StageKey, Store, StoreError};
use serde::Serialize;

use crate::engine::Audited;
use peak_signal_to_noise::peak_signal_to_noise;

/// What came of computing some results of a pipeline again.
#[derive(Debug, Serialize)]
pub(crate) struct Audit {
    pub(crate) audited: Vec<AuditedResult>,
    /// Results of the pipeline that could be computed again.
    pub(crate) hits: usize,
}

/// A result that was computed again.
#[derive(Debug, Serialize)]
pub(crate) struct AuditedResult {
    pub(crate) stage: String,
    pub(crate) key: StageKey,
    pub(crate) seconds: f64,
    pub(crate) same: bool,
    pub(crate) differing: Vec<DifferingOutput>,
}

/// An output that came out different.
#[derive(Debug, Serialize)]
pub(crate) struct DifferingOutput {
    pub(crate) port: String,
    /// Distance of the noise from the peak in dB, if both are tables of the same shape that differ in numbers only.
    pub(crate) psnr: Option<f64>,
    pub(crate) accepted: bool,
}

impl Audit {
    /// Counts the results that differ by more than is accepted.
    pub(crate) fn refused(&self) -> usize {
        let refused = |result: &&AuditedResult| result.differing.iter().any(|output| !output.accepted);
        self.audited.iter().filter(refused).count()
    }
}

impl AuditedResult {
    /// Compares what a store has with what was computed again in another; noise at least `limit` dB below the peak is
    /// accepted.
    pub(crate) fn new(
        result: &Audited,
        store: &Store,
        scratch: &Store,
        limit: Option<f64>,
    ) -> Result<Self, StoreError> {
        let mut differing = Vec::new();
        for (port, (recorded, now)) in &result.differing {
            let psnr = peak_signal_to_noise((store, recorded), (scratch, now))?;
            let accepted = matches!((psnr, limit), (Some(psnr), Some(limit)) if psnr >= limit);
            differing.push(DifferingOutput {
                port: port.clone(),
                psnr,
                accepted,
            });
        }
        Ok(Self {
            stage: result.stage.clone(),
            key: result.key,
            seconds: result.time.as_secs_f64(),
            same: differing.is_empty(),
            differing,
        })
    }
}
