//! What the output `summary` holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::column::Row;
use super::groups::Groups;
use super::pairs::Pairs;
use crate::statistics::bootstrap::{BootstrapError, BootstrapSettings, Estimate};

/// A column of numbers, compared over arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnComparison {
    /// The name of the column.
    pub column: String,
    /// The name of the column with the kinds of failure, if there is one.
    pub failure: Option<String>,
    /// The name of the column of prompts by which arms were measured too, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
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
    /// What it is called: the setting `names`, else the stage its table comes from.
    pub name: String,
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
    /// The same for every group of prompts, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, ArmGroup>,
}

/// What was measured on the prompts of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmGroup {
    /// Number of prompts with a number.
    pub prompts: u64,
    /// Number of images, those without a number too.
    pub images: u64,
    /// The mean over all images that have a number.
    pub mean: Option<Estimate>,
    /// Change of the mean against the baseline, if there is one.
    pub difference: Option<Estimate>,
    /// The win rate against the baseline, if there is one; an equal number counts half.
    pub wins: Option<Estimate>,
}

/// Differences of an arm from the baseline, arm minus baseline, paired by prompt and seed index.
///
/// Images without a number on either side count in none but `failures`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmDifference {
    /// Change of the mean.
    pub mean: Option<Estimate>,
    /// Share of images with a higher number than the baseline's.
    pub higher: Option<Estimate>,
    /// Share of images with a lower number than the baseline's.
    pub lower: Option<Estimate>,
    /// The win rate: the share of images with a higher number than the baseline's, where an equal one counts half.
    #[serde(default)]
    pub wins: Option<Estimate>,
    /// Change in the share of images that fail in each way.
    pub failures: BTreeMap<String, Estimate>,
}

/// Why arms could not be compared.
#[derive(Debug, thiserror::Error)]
#[error("Mean of the column could not be estimated")]
pub(super) struct MeanError(#[from] BootstrapError);

/// Measures arms alike.
pub(super) struct Measure<'a> {
    /// Every kind of failure of any arm, so that all arms tell of the same ones.
    pub(super) kinds: BTreeSet<&'a str>,
    /// The groups of prompts that are measured too, if there are any.
    pub(super) groups: Option<&'a Groups>,
    pub(super) bootstrap: &'a BootstrapSettings,
}

impl<'a> Measure<'a> {
    pub(super) fn of(
        arms: &'a [Vec<Row>],
        baseline: Option<&'a [Row]>,
        groups: Option<&'a Groups>,
        bootstrap: &'a BootstrapSettings,
    ) -> Self {
        let rows = arms.iter().flatten().chain(baseline.into_iter().flatten());
        Self {
            kinds: rows.filter_map(|row| row.failure.as_deref()).collect(),
            groups,
            bootstrap,
        }
    }

    /// Measures one arm, and its difference from a baseline.
    pub(super) fn arm(
        &self,
        name: String,
        rows: &[Row],
        pairs: Option<&Pairs<'_>>,
    ) -> Result<Arm, MeanError> {
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
            name,
            prompts: mean.map_or(0, |mean| mean.clusters),
            images: rows.len() as u64,
            mean,
            failures,
            difference: pairs.map(|pairs| self.difference(pairs)).transpose()?,
            groups: self.groups(rows, pairs)?,
        })
    }

    fn groups(
        &self,
        rows: &[Row],
        pairs: Option<&Pairs<'_>>,
    ) -> Result<BTreeMap<String, ArmGroup>, MeanError> {
        let mut measured = BTreeMap::new();
        let Some(groups) = self.groups else {
            return Ok(measured);
        };
        for name in groups.names() {
            let rows = rows.iter().filter(|row| groups.has(name, &row.prompt_id));
            let numbers = rows.clone();
            let numbers = numbers.filter_map(|row| Some((row.prompt_id.as_str(), row.value?)));
            let mean = self.bootstrap.clustered_mean(numbers)?;
            let change = |of: fn(f64, f64) -> f64| {
                let Some(pairs) = pairs else { return Ok(None) };
                let inside = pairs
                    .numbers()
                    .filter(|(prompt_id, ..)| groups.has(name, prompt_id));
                let changes = inside.map(|(prompt_id, before, after)| (prompt_id, of(before, after)));
                self.bootstrap.clustered_mean(changes)
            };
            let group = ArmGroup {
                prompts: mean.map_or(0, |mean| mean.clusters),
                images: rows.count() as u64,
                mean,
                difference: change(|before, after| after - before)?,
                wins: change(wins)?,
            };
            measured.insert(name.to_owned(), group);
        }
        Ok(measured)
    }

    fn difference(&self, pairs: &Pairs<'_>) -> Result<ArmDifference, MeanError> {
        let mean = |of: fn(f64, f64) -> f64| {
            let changes = pairs.numbers();
            let changes = changes.map(|(prompt_id, before, after)| (prompt_id, of(before, after)));
            self.bootstrap.clustered_mean(changes)
        };
        let mut failures = BTreeMap::new();
        for &kind in &self.kinds {
            let failed = |row: &Row| flag(row.failure.as_deref() == Some(kind));
            let changes = pairs.rows();
            let changes =
                changes.map(|(before, after)| (after.prompt_id.as_str(), failed(after) - failed(before)));
            if let Some(change) = self.bootstrap.clustered_mean(changes)? {
                failures.insert(kind.to_owned(), change);
            }
        }
        Ok(ArmDifference {
            mean: mean(|before, after| after - before)?,
            higher: mean(|before, after| flag(after > before))?,
            lower: mean(|before, after| flag(after < before))?,
            wins: mean(wins)?,
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
            let name: String = arm.name.chars().take(LONGEST_NAME).collect();
            let mean = arm.mean.as_ref().map(interval);
            let mean = mean.unwrap_or_else(|| "nothing".to_owned());
            format!("{name}: {mean}{}", change.unwrap_or_default())
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

/// Characters of the name of an arm in the headline.
const LONGEST_NAME: usize = 60;

/// What an image counts in the win rate.
fn wins(before: f64, after: f64) -> f64 {
    match after == before {
        true => 0.5,
        false => flag(after > before),
    }
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
