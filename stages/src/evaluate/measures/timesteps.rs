//! The power of every timestep of a score: how well its term alone finds aligned images, and how much weight it has.

use serde::{Deserialize, Serialize};

use super::rows::EvaluationRow;
use super::scores::{PowerError, ScoreColumn, check, pools};
use crate::statistics::auc::auc;
use crate::statistics::bootstrap::{BootstrapSettings, Cluster, Estimate};

/// Resamples for the intervals of one timestep at most: there are many of them, and they are looked at together.
const REPLICATES: u32 = 1000;

/// The terms of one score, in the order of the evaluation rows.
#[derive(Clone, Copy, Debug)]
pub struct TermColumns<'a> {
    /// The name of the score.
    pub score: &'a str,
    /// The timestep of each term.
    pub timesteps: &'a [i32],
    /// The weight of each term; none for terms that count alike.
    pub weights: Option<&'a [f32]>,
    /// The terms of each image, one per timestep.
    pub terms: &'a [Vec<f32>],
}

/// The power of the timesteps of one score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimestepPower {
    /// The name of the score.
    pub score: String,
    /// The timesteps, from the noisiest to the clearest.
    pub timesteps: Vec<TimestepTerm>,
}

/// What one timestep has to do with a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimestepTerm {
    /// The timestep.
    pub timestep: i32,
    /// Its share of the weight of all timesteps.
    pub weight: f64,
    /// Its share of the sizes of all terms, over all images.
    pub share: f64,
    /// AUC within a prompt of the term alone; weights do not matter to it.
    pub auc: Option<Estimate>,
    /// AUC within a prompt of the sum of terms from the noisiest timestep down to this one: the score as it would be if
    /// the steps after it did not count.
    pub auc_down_to: Option<Estimate>,
}

impl TimestepPower {
    /// Measures every timestep of a score.
    ///
    /// # Errors
    /// When terms and rows differ in number, a term is NaN, or the bootstrap refuses.
    pub fn of(
        rows: &[EvaluationRow],
        columns: &TermColumns<'_>,
        settings: &BootstrapSettings,
    ) -> Result<Self, PowerError> {
        let settings = BootstrapSettings {
            replicates: settings.replicates.min(REPLICATES),
            ..*settings
        };
        let steps = columns.timesteps.len();
        let mut order: Vec<usize> = (0..steps).collect();
        order.sort_by_key(|&step| std::cmp::Reverse(columns.timesteps[step]));
        let size = |step: usize| -> f64 {
            let terms = columns.terms.iter();
            terms.map(|terms| f64::from(terms[step].abs())).sum()
        };
        let sizes: f64 = (0..steps).map(size).sum();
        let weight = |step: usize| columns.weights.map_or(1.0, |weights| f64::from(weights[step]));
        let weights: f64 = (0..steps).map(weight).sum();
        let mut sums = vec![0.0; columns.terms.len()];
        let mut timesteps = Vec::with_capacity(steps);
        for step in order {
            let values: Vec<f64> = columns.terms.iter().map(|terms| f64::from(terms[step])).collect();
            for (sum, value) in sums.iter_mut().zip(&values) {
                *sum += value;
            }
            timesteps.push(TimestepTerm {
                timestep: columns.timesteps[step],
                weight: weight(step) / weights,
                share: if sizes > 0.0 { size(step) / sizes } else { 0.0 },
                auc: power(rows, columns.score, &values, &settings)?,
                auc_down_to: power(rows, columns.score, &sums, &settings)?,
            });
        }
        Ok(Self {
            score: columns.score.to_owned(),
            timesteps,
        })
    }

    /// The AUC of the whole and of the whole without its clearest timestep, if there are two of them.
    pub fn without_last(&self) -> Option<(Estimate, Estimate)> {
        let [.., before, last] = self.timesteps.as_slice() else {
            return None;
        };
        last.auc_down_to.zip(before.auc_down_to)
    }
}

fn power(
    rows: &[EvaluationRow],
    name: &str,
    values: &[f64],
    settings: &BootstrapSettings,
) -> Result<Option<Estimate>, PowerError> {
    let column = ScoreColumn { name, values };
    check(rows, &column)?;
    let mut areas = Vec::new();
    for pool in pools(rows, &column, |_| true) {
        areas.extend(auc(&pool)?.map(|area| Cluster::of([area])));
    }
    Ok(settings.mean(&areas)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;
    use crate::evaluate::measures::power::tests::sample;

    /// Of three timesteps the middle one knows the truth, the clearest has most of the weight and knows nothing.
    #[test]
    fn the_timestep_that_knows_is_told_from_the_one_that_weighs() {
        let (rows, _) = sample();
        let mut draws = Draws::new("timestep test", 0, 0);
        let terms: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| {
                let truth = f32::from(u8::from(row.aligned)) + draws.unit() as f32;
                vec![draws.unit() as f32, truth, 90.0 * draws.unit() as f32]
            })
            .collect();
        let columns = TermColumns {
            score: "mi",
            timesteps: &[900, 400, 1],
            weights: Some(&[5.0, 5.0, 90.0]),
            terms: &terms,
        };
        let settings = BootstrapSettings::default();
        let power = TimestepPower::of(&rows, &columns, &settings).unwrap();
        let [first, middle, last] = &power.timesteps[..] else {
            panic!("three timesteps");
        };
        assert_eq!([first.timestep, middle.timestep, last.timestep], [900, 400, 1]);
        assert_eq!([first.weight, middle.weight, last.weight], [0.05, 0.05, 0.9]);
        assert!((first.share + middle.share + last.share - 1.0).abs() < 1e-12 && last.share > 0.9);
        let value = |estimate: &Option<Estimate>| estimate.unwrap().value;
        assert_eq!(value(&middle.auc), 1.0);
        for blind in [&first.auc, &last.auc] {
            assert!((value(blind) - 0.5).abs() < 0.06);
        }
        assert_eq!(first.auc, first.auc_down_to);
        let (whole, without) = power.without_last().unwrap();
        assert_eq!(Some(whole), last.auc_down_to);
        assert!(without.value > 0.85 && whole.value < 0.6, "{without:?} {whole:?}");
        // The order in which timesteps were asked does not matter, and plain terms weigh alike.
        let turned: Vec<Vec<f32>> = terms
            .iter()
            .map(|terms| terms.iter().rev().copied().collect())
            .collect();
        let columns = TermColumns {
            timesteps: &[1, 400, 900],
            weights: None,
            terms: &turned,
            ..columns
        };
        let other = TimestepPower::of(&rows, &columns, &settings).unwrap();
        assert_eq!(other.timesteps[2].auc_down_to, last.auc_down_to);
        assert!(
            other
                .timesteps
                .iter()
                .all(|term| (term.weight - 1.0 / 3.0).abs() < 1e-12)
        );
    }
}
