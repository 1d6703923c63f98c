//! The loss curve of a training.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt64Array};
use mitune_diffusion::training::UpdateReport;
use mitune_store::Artifact;

use crate::contract::{StageContext, StageError};
use crate::tables::schema;

/// The loss curve of a training, one entry per update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossCurve {
    points: Vec<LossPoint>,
}

/// What is kept of an update.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LossPoint {
    loss: f64,
    gradient_norm: f64,
    learning_rate: f64,
}

impl LossCurve {
    /// Stores the curve as a table.
    ///
    /// # Errors
    /// Any error of the store.
    pub fn put(&self, context: &StageContext<'_>) -> Result<Artifact, StageError> {
        let column = |value: fn(&LossPoint) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(self.points.iter().map(value)))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(0..self.points.len() as u64)),
            column(|point| point.loss),
            column(|point| point.gradient_norm),
            column(|point| point.learning_rate),
        ];
        let schema = schema::losses();
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(StageError::failed)?;
        Ok(context.store().put_table(&schema, [batch])?)
    }

    /// Mean loss of the last `count` updates, which says more than the last one alone.
    pub fn recent_loss(&self, count: usize) -> Option<f64> {
        let recent = &self.points[self.points.len().saturating_sub(count)..];
        let sum: f64 = recent.iter().map(|point| point.loss).sum();
        (!recent.is_empty()).then(|| sum / recent.len() as f64)
    }

    /// Adds what an update reported.
    pub(super) fn push(&mut self, report: &UpdateReport) {
        self.points.push(LossPoint {
            loss: report.loss,
            gradient_norm: report.gradient_norm,
            learning_rate: report.learning_rate,
        });
    }

    /// Counts the updates.
    pub(super) fn updates(&self) -> u64 {
        self.points.len() as u64
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let numbers = self
            .points
            .iter()
            .flat_map(|p| [p.loss, p.gradient_norm, p.learning_rate]);
        numbers.flat_map(f64::to_le_bytes).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<f64> = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let (points, odd) = numbers.as_chunks::<3>();
        let point = |&[loss, gradient_norm, learning_rate]: &[f64; 3]| LossPoint {
            loss,
            gradient_norm,
            learning_rate,
        };
        (rest.is_empty() && odd.is_empty()).then(|| Self {
            points: points.iter().map(point).collect(),
        })
    }
}
