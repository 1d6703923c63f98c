//! Kendall's tau, the best of each prompt, and best-of-n curves, out of the numbers of all prompts.

use super::pools::Pool;
use super::report::{BestOfNCurve, BestOfNPoint, ColumnAgreement, RandomChoice};
use crate::statistics::best_of_n::{ChoiceOrder, curve_sizes};
use crate::statistics::bootstrap::{BootstrapError, BootstrapSettings, Cluster, Estimate};
use crate::statistics::kendall::{KendallError, PairAgreement};

/// Why columns could not be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeasureError {
    #[error("Agreement of columns could not be estimated")]
    Bootstrap(#[from] BootstrapError),
    #[error("Agreement of columns could not be measured")]
    Kendall(#[from] KendallError),
}

/// A column: its name, its place in the pools, and what makes higher numbers the better ones.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) position: usize,
    pub(super) direction: f64,
}

/// Measures all columns alike.
pub(super) struct Measure<'a> {
    pub(super) pools: &'a [Pool],
    pub(super) bootstrap: &'a BootstrapSettings,
}

impl Column<'_> {
    /// The numbers of a prompt as they are.
    fn values<'p>(&self, pool: &'p Pool) -> &'p [f64] {
        &pool.columns[self.position]
    }

    /// The numbers of a prompt, higher for better candidates.
    fn scores(&self, pool: &Pool) -> Vec<f64> {
        let values = self.values(pool).iter();
        values.map(|value| self.direction * value).collect()
    }
}

impl Measure<'_> {
    /// Compares two columns.
    pub(super) fn agreement(
        &self,
        first: Column<'_>,
        second: Column<'_>,
    ) -> Result<ColumnAgreement, MeasureError> {
        let (mut taus_a, mut taus_b, mut same) = (Vec::new(), Vec::new(), Vec::new());
        let (mut all_first, mut all_second) = (Vec::new(), Vec::new());
        let mut chance = Cluster::default();
        for pool in self.pools {
            let (one, two) = (first.scores(pool), second.scores(pool));
            let pairs = PairAgreement::of_many(&one, &two)?;
            taus_a.extend(pairs.tau_a());
            taus_b.extend(pairs.tau_b());
            // With one candidate there is nothing to agree on.
            if one.len() > 1 {
                same.push(same_best(&one, &two));
                chance.add(1.0 / one.len() as f64);
            }
            all_first.extend(one);
            all_second.extend(two);
        }
        let overall = PairAgreement::of_many(&all_first, &all_second)?;
        Ok(ColumnAgreement {
            first: first.name.to_owned(),
            second: second.name.to_owned(),
            tau_a: self.mean(taus_a)?,
            tau_b: self.mean(taus_b)?,
            overall_tau_a: overall.tau_a(),
            overall_tau_b: overall.tau_b(),
            same_best: self.mean(same)?,
            same_best_by_chance: (chance.count > 0).then(|| chance.sum / chance.count as f64),
        })
    }

    /// What a random choice is worth to a judge.
    pub(super) fn random(&self, judge: Column<'_>) -> Result<RandomChoice, MeasureError> {
        let occupied = self.pools.iter().filter(|pool| pool.candidates() > 0);
        Ok(RandomChoice {
            judge: judge.name.to_owned(),
            value: self.mean(occupied.map(|pool| mean(judge.values(pool))))?,
        })
    }

    /// What the best of n by the chooser is worth to the judge, in the judge's own numbers.
    pub(super) fn curve(&self, chooser: Column<'_>, judge: Column<'_>) -> Result<BestOfNCurve, MeasureError> {
        let most = self.pools.iter().map(Pool::candidates).max().unwrap_or(0);
        let mut orders = Vec::with_capacity(self.pools.len());
        for pool in self.pools {
            let values = judge.values(pool);
            orders.push((ChoiceOrder::of(&chooser.scores(pool), values)?, mean(values)));
        }
        let mut points = Vec::new();
        for n in curve_sizes(most) {
            let expected = orders.iter().filter_map(|(order, random)| match n {
                1 => Some((*random, *random)),
                _ => Some((order.best_of(n)?, *random)),
            });
            let (values, gains): (Vec<f64>, Vec<f64>) =
                expected.map(|(value, random)| (value, value - random)).unzip();
            if let (Some(value), Some(gain)) = (self.mean(values)?, self.mean(gains)?) {
                points.push(BestOfNPoint {
                    n: n as u64,
                    value,
                    gain,
                });
            }
        }
        Ok(BestOfNCurve {
            chooser: chooser.name.to_owned(),
            judge: judge.name.to_owned(),
            points,
        })
    }

    /// The mean over prompts, each of which counts once.
    fn mean(&self, values: impl IntoIterator<Item = f64>) -> Result<Option<Estimate>, BootstrapError> {
        let clusters: Vec<Cluster> = values.into_iter().map(|value| Cluster::of([value])).collect();
        self.bootstrap.mean(&clusters)
    }
}

/// The mean, summed in the order in which [`ChoiceOrder`] sums equally good candidates, so that a chooser that tells
/// nothing apart gains exactly nothing.
fn mean(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.iter().sum::<f64>() / values.len() as f64
}

/// The chance that both scores take the same candidate, each taking any of those that it finds best.
fn same_best(first: &[f64], second: &[f64]) -> f64 {
    let (one, two) = (best(first), best(second));
    let both = one.iter().zip(&two).filter(|(one, two)| **one && **two).count();
    let count = |best: &[bool]| best.iter().filter(|best| **best).count() as f64;
    both as f64 / (count(&one) * count(&two))
}

/// Says of each candidate whether none is better.
fn best(scores: &[f64]) -> Vec<bool> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter().map(|score| *score == highest).collect()
}
