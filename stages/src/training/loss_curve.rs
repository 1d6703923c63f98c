//! The loss curve of a training.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt64Array};
use mitune_diffusion::training::StepReport;
use mitune_store::Artifact;

use crate::contract::{StageContext, StageError};
use crate::tables::schema;

/// The loss curve of a training, one entry per update, with what its objective reports besides.
#[derive(Clone, Debug, PartialEq)]
pub struct LossCurve {
    /// Names of what the objective reports.
    names: &'static [&'static str],
    points: Vec<LossPoint>,
}

/// What is kept of an update.
#[derive(Clone, Debug, PartialEq)]
struct LossPoint {
    loss: f64,
    gradient_norm: f64,
    learning_rate: f64,
    /// One value for each name.
    reported: Vec<f64>,
}

impl LossCurve {
    /// Stores the curve as a table.
    ///
    /// # Errors
    /// Any error of the store.
    pub fn put(&self, context: &StageContext<'_>) -> Result<Artifact, StageError> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(0..self.points.len() as u64)),
            self.column(|point| point.loss),
            self.column(|point| point.gradient_norm),
            self.column(|point| point.learning_rate),
        ];
        columns.extend((0..self.names.len()).map(|index| self.column(|point| point.reported[index])));
        let schema = schema::losses_with(self.names);
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(StageError::failed)?;
        Ok(context.store().artifacts().put_table(&schema, [batch])?)
    }

    /// Mean loss of the last `count` updates, which says more than the last one alone.
    pub fn recent_loss(&self, count: usize) -> Option<f64> {
        let recent = &self.points[self.points.len().saturating_sub(count)..];
        let sum: f64 = recent.iter().map(|point| point.loss).sum();
        (!recent.is_empty()).then(|| sum / recent.len() as f64)
    }

    /// Mean over the last `count` updates of each value that the objective reports, by its name.
    pub fn recent_reported(&self, count: usize) -> Vec<(&'static str, Option<f64>)> {
        let recent = &self.points[self.points.len().saturating_sub(count)..];
        let mean = |index: usize| {
            let sum: f64 = recent.iter().map(|point| point.reported[index]).sum();
            (!recent.is_empty()).then(|| sum / recent.len() as f64)
        };
        let names = self.names.iter().enumerate();
        names.map(|(index, name)| (*name, mean(index))).collect()
    }

    /// What the objective reported under a name, update by update; none if it has no such name.
    pub fn reported(&self, name: &str) -> Option<Vec<f64>> {
        let index = self.names.iter().position(|known| *known == name)?;
        Some(self.points.iter().map(|point| point.reported[index]).collect())
    }

    /// A curve without updates, of an objective that reports these values.
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            points: Vec::new(),
        }
    }

    /// Adds what an update reported.
    pub(super) fn push(&mut self, report: StepReport) {
        let StepReport { update, curves } = report;
        self.points.push(LossPoint {
            loss: update.loss,
            gradient_norm: update.gradient_norm,
            learning_rate: update.learning_rate,
            reported: curves,
        });
    }

    /// Counts the updates.
    pub(super) fn updates(&self) -> u64 {
        self.points.len() as u64
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.points.iter().flat_map(|point| {
            let common = [point.loss, point.gradient_norm, point.learning_rate];
            common.into_iter().chain(point.reported.iter().copied())
        });
        numbers.flat_map(f64::to_le_bytes).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8], names: &'static [&'static str]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<f64> = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let points = numbers.chunks_exact(3 + names.len());
        let whole = rest.is_empty() && points.remainder().is_empty();
        let point = |numbers: &[f64]| match numbers {
            [loss, gradient_norm, learning_rate, reported @ ..] => Some(LossPoint {
                loss: *loss,
                gradient_norm: *gradient_norm,
                learning_rate: *learning_rate,
                reported: reported.to_vec(),
            }),
            _ => None,
        };
        let points = points.map(point).collect::<Option<Vec<_>>>()?;
        whole.then_some(Self { names, points })
    }

    fn column(&self, value: impl Fn(&LossPoint) -> f64) -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(self.points.iter().map(value)))
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::training::UpdateReport;

    use super::*;

    fn curve(names: &'static [&'static str]) -> LossCurve {
        let mut curve = LossCurve::new(names);
        for updates in 1..4 {
            let update = UpdateReport {
                updates,
                loss: 1.0 / updates as f64,
                gradient_norm: 2.0,
                learning_rate: 1e-3,
            };
            let curves = names.iter().map(|name| name.len() as f64).collect();
            curve.push(StepReport { update, curves });
        }
        curve
    }

    #[test]
    fn what_is_written_is_read_back_as_a_curve_of_its_objective_only() {
        const NAMES: [&[&str]; 2] = [&[], &["margin", "accuracy"]];
        for names in NAMES {
            let bytes = curve(names).to_bytes();
            assert_eq!(bytes.len(), 3 * 8 * (3 + names.len()));
            assert_eq!(LossCurve::from_bytes(&bytes, names), Some(curve(names)));
            assert_eq!(LossCurve::from_bytes(&bytes[1..], names), None);
            assert_eq!(LossCurve::from_bytes(&bytes, &["margin"]), None);
        }
    }

    #[test]
    fn reported_values_have_a_recent_mean_each() {
        let reported = curve(&["margin", "accuracy"]).recent_reported(2);
        assert_eq!(reported, [("margin", Some(6.0)), ("accuracy", Some(8.0))]);
        assert_eq!(LossCurve::new(&["margin"]).recent_reported(2), [("margin", None)]);
        assert!(curve(&[]).recent_reported(2).is_empty());
    }
}
