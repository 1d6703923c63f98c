//! Limits on the number columns of a table.

use arrow_array::RecordBatch;

use super::error::PromptsError;
use super::parquet_file::{Batches, Numbers};

/// A limit: the name of its setting and its value.
type Named = (&'static str, f64);

/// Limits on several columns; those without a limit are not even read.
#[derive(Debug)]
pub(super) struct Limits(Vec<Limit>);

#[derive(Debug)]
struct Limit {
    column: &'static str,
    min: Option<Named>,
    max: Option<Named>,
    missing: String,
}

impl Limits {
    pub(super) fn new(limits: &[(&'static str, Option<Named>, Option<Named>)]) -> Self {
        let limited = limits
            .iter()
            .filter(|(_, min, max)| min.is_some() || max.is_some());
        Self(
            limited
                .map(|&(column, min, max)| Limit {
                    column,
                    min,
                    max,
                    missing: format!("missing_{column}"),
                })
                .collect(),
        )
    }

    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        for limit in &self.0 {
            for (setting, value) in [limit.min, limit.max].into_iter().flatten() {
                if !value.is_finite() || value < 0.0 {
                    let problem = format!("must be a number of at least 0, found `{value}`");
                    return Err(PromptsError::Setting { setting, problem });
                }
            }
            if let (Some((low, min)), Some((setting, max))) = (limit.min, limit.max)
                && min > max
            {
                let problem = format!("must be at least `{low}`, found `{max}` below `{min}`");
                return Err(PromptsError::Setting { setting, problem });
            }
        }
        Ok(())
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|limit| limit.column)
    }

    /// The limited columns of a batch, in the order of the limits.
    pub(super) fn numbers(
        &self,
        batches: &Batches,
        batch: &RecordBatch,
    ) -> Result<Vec<Numbers>, PromptsError> {
        self.0
            .iter()
            .map(|limit| batches.numbers(batch, limit.column))
            .collect()
    }

    /// The name of the first limit that a row breaks; a missing value breaks every limit, and so does not-a-number.
    pub(super) fn broken(&self, numbers: &[Numbers], row: usize) -> Option<&str> {
        self.0.iter().zip(numbers).find_map(|(limit, numbers)| {
            let Some(value) = numbers.value(row).filter(|value| !value.is_nan()) else {
                return Some(limit.missing.as_str());
            };
            let below = limit.min.filter(|(_, min)| value < numbers.as_stored(*min));
            let above = limit.max.filter(|(_, max)| value > numbers.as_stored(*max));
            below.or(above).map(|(name, _)| name)
        })
    }
}
