//! What the output `summary` holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::column::Row;
use crate::statistics::bootstrap::{BootstrapError, BootstrapSettings, Estimate};
use crate::statistics::paired::{Observation, PairedError, paired_difference};

/// A column of numbers, compared over arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnComparison {
    /// The name of the column.
    pub column: String,
    /// The name of the column with the kinds of failure, if there is one.
    pub failure: Option<String>,
    /// How intervals were made.
    pub bootstrap: BootstrapSettings,
    /// The arm that the others are compared with, if there is one.
    pub baseline: Option<Arm>,
    /// The arms, in the order of the pipeline.
    pub arms: Vec<Arm>,
}

/// What was measured on one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Number of prompts with a number.
    pub prompts: u64,
    /// Number of images in its table, those without a number too.
    pub images: u64,
    /// The mean over all images that have a number.
    pub mean: Option<Estimate>,
    /// Share of all images that fail in each way that any arm knows.
    pub failures: BTreeMap<String, Estimate>,
    /// What changed against the baseline, if there is one.
    pub difference: Option<ArmDifference>,
}

/// Differences of an arm from the baseline, arm minus baseline, paired by prompt and seed index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmDifference {
    /// Change of the mean.
    pub mean: Option<Estimate>,
    /// Share of images with a higher number than the baseline's.
    pub higher: Option<Estimate>,
    /// Share of images with a lower number than the baseline's.
    pub lower: Option<Estimate>,
    /// Change in the share of images that fail in each way.
    pub failures: BTreeMap<String, Estimate>,
}

/// Why arms could not be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComparisonError {
    #[error("Mean of the column could not be estimated")]
    Mean(#[from] BootstrapError),
    #[error("An arm cannot be compared with the baseline")]
    Baseline(#[from] PairedError),
}

/// Measures arms alike.
pub(super) struct Measure<'a> {
    pub(super) baseline: Option<&'a [Row]>,
    /// Every kind of failure of any arm, so that all arms tell of the same ones.
    pub(super) kinds: BTreeSet<&'a str>,
    pub(super) bootstrap: &'a BootstrapSettings,
}

impl<'a> Measure<'a> {
    pub(super) fn of(
        arms: &'a [Vec<Row>],
        baseline: Option<&'a [Row]>,
        bootstrap: &'a BootstrapSettings,
    ) -> Self {
        let rows = arms.iter().flatten().chain(baseline.into_iter().flatten());
        Self {
            baseline,
            kinds: rows.filter_map(|row| row.failure.as_deref()).collect(),
            bootstrap,
        }
    }

    /// Measures one arm, and its difference from a baseline.
    pub(super) fn arm(&self, rows: &[Row], baseline: Option<&[Row]>) -> Result<Arm, ComparisonError> {
        let bootstrap = self.bootstrap;
        let measured = rows
            .iter()
            .filter_map(|row| Some((row.prompt_id.as_str(), row.value?)));
        let mean = bootstrap.clustered_mean(measured)?;
        let mut failures = BTreeMap::new();
        for &kind in &self.kinds {
            let share = rows
                .iter()
                .map(|row| (row.prompt_id.as_str(), flag(row.failure.as_deref() == Some(kind))));
            if let Some(share) = bootstrap.clustered_mean(share)? {
                failures.insert(kind.to_owned(), share);
            }
        }
        Ok(Arm {
            prompts: mean.map_or(0, |mean| mean.clusters),
            images: rows.len() as u64,
            mean,
            failures,
            difference: baseline.map(|before| self.difference(before, rows)).transpose()?,
        })
    }

    fn difference(&self, before: &[Row], after: &[Row]) -> Result<ArmDifference, ComparisonError> {
        let (earlier, later) = (
            observations(before, |row| row.value),
            observations(after, |row| row.value),
        );
        let difference = |before: &[Observation<'_>], after: &[Observation<'_>]| {
            paired_difference(before, after, self.bootstrap)
        };
        let mean = difference(&earlier, &later)?;
        let known: BTreeMap<(&str, u64), f64> = earlier
            .iter()
            .map(|one| ((one.cluster, one.unit), one.value))
            .collect();
        let share = |holds: fn(f64, f64) -> bool| {
            let changed = later.iter().map(|one| Observation {
                value: flag(
                    known
                        .get(&(one.cluster, one.unit))
                        .is_some_and(|&value| holds(one.value, value)),
                ),
                ..*one
            });
            let nothing = later.iter().map(|one| Observation { value: 0.0, ..*one });
            difference(&nothing.collect::<Vec<_>>(), &changed.collect::<Vec<_>>())
        };
        let mut failures = BTreeMap::new();
        for &kind in &self.kinds {
            let failed = |row: &Row| Some(flag(row.failure.as_deref() == Some(kind)));
            if let Some(change) = difference(&observations(before, failed), &observations(after, failed))? {
                failures.insert(kind.to_owned(), change);
            }
        }
        Ok(ArmDifference {
            mean,
            higher: share(|after, before| after > before)?,
            lower: share(|after, before| after < before)?,
            failures,
        })
    }
}

impl ColumnComparison {
    /// The main figures in one line.
    pub(super) fn headline(&self) -> String {
        let interval = |estimate: &Estimate| {
            format!(
                "{:.4} [{:.4}, {:.4}]",
                estimate.value, estimate.low, estimate.high
            )
        };
        let arm = |arm: &Arm| {
            let change = arm
                .difference
                .as_ref()
                .and_then(|difference| difference.mean.as_ref());
            let change = change.map(|change| {
                let Estimate { value, low, high, .. } = change;
                format!(" ({value:+.4} [{low:+.4}, {high:+.4}])")
            });
            let mean = arm.mean.as_ref().map(interval);
            mean.unwrap_or_else(|| "nothing".to_owned()) + &change.unwrap_or_default()
        };
        let arms: Vec<String> = self.arms.iter().take(MOST_TOLD).map(arm).collect();
        let rest = match self.arms.len().saturating_sub(MOST_TOLD) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        format!("`{}` {}{rest}", self.column, arms.join(", "))
    }
}

/// Arms of which the headline tells.
const MOST_TOLD: usize = 4;

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Rows without a number are left out.
fn observations(rows: &[Row], number: impl Fn(&Row) -> Option<f64>) -> Vec<Observation<'_>> {
    let observed = rows.iter().filter_map(|row| {
        Some(Observation {
            cluster: &row.prompt_id,
            unit: u64::from(row.seed_index),
            value: number(row)?,
        })
    });
    observed.collect()
}
