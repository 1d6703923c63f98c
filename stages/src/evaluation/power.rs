//! How well each score column finds the aligned images, overall and against each kind of failure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::rows::EvaluationRow;
use crate::shapes::alignment::Failure;
use crate::statistics::bootstrap::{BootstrapError, BootstrapSettings, Cluster, Estimate};
use crate::statistics::kendall::PairAgreement;
use crate::statistics::ranking::{RankedImage, RankingError, RankingPower, auc_difference};

/// One score of every image, in the order of the evaluation rows.
#[derive(Clone, Copy, Debug)]
pub struct ScoreColumn<'a> {
    /// The name of the column, such as `mi`.
    pub name: &'a str,
    /// The scores; higher is meant to be better.
    pub values: &'a [f64],
}

/// The power of one score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorePower {
    /// The name of the score.
    pub score: String,
    /// Aligned images against all others.
    pub overall: RankingPower,
    /// Aligned images against those of one failure, over prompts that have both; kinds that never occur are absent.
    pub by_failure: BTreeMap<Failure, RankingPower>,
}

/// How two scores relate, averaged over prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreAgreement {
    /// The name of one score.
    pub first: String,
    /// The name of the other score.
    pub second: String,
    /// Kendall's tau-b within a prompt, over prompts where neither score is constant.
    pub tau_b: Option<Estimate>,
    /// AUC of the second minus AUC of the first, paired by prompt.
    pub auc_gain: Option<Estimate>,
}

impl ScorePower {
    /// Measures one score.
    ///
    /// # Errors
    /// When scores and rows differ in number, a score is NaN, or the bootstrap refuses.
    pub fn of(
        rows: &[EvaluationRow],
        column: &ScoreColumn<'_>,
        settings: &BootstrapSettings,
    ) -> Result<Self, PowerError> {
        check(rows, column)?;
        let mut by_failure = BTreeMap::new();
        for failure in Failure::ALL {
            let mut pools = pools(rows, column, |row| row.aligned || row.failure == Some(failure));
            pools.retain(|pool| {
                pool.iter().any(|image| image.aligned) && !pool.iter().all(|image| image.aligned)
            });
            if !pools.is_empty() {
                by_failure.insert(failure, RankingPower::of(&pools, settings)?);
            }
        }
        Ok(Self {
            score: column.name.to_owned(),
            overall: RankingPower::of(&pools(rows, column, |_| true), settings)?,
            by_failure,
        })
    }
}

impl ScoreAgreement {
    /// Compares two scores of the same images.
    ///
    /// # Errors
    /// As `ScorePower::of`, for either score.
    pub fn of(
        rows: &[EvaluationRow],
        first: &ScoreColumn<'_>,
        second: &ScoreColumn<'_>,
        settings: &BootstrapSettings,
    ) -> Result<Self, PowerError> {
        check(rows, first)?;
        check(rows, second)?;
        let (one, two) = (pools(rows, first, |_| true), pools(rows, second, |_| true));
        let scores = |pool: &[RankedImage]| pool.iter().map(|image| image.score).collect::<Vec<f64>>();
        let taus: Vec<Cluster> = one
            .iter()
            .zip(&two)
            // Both pools hold the same images and no NaN, so that they can always be compared.
            .filter_map(|(one, two)| PairAgreement::of(&scores(one), &scores(two)).ok()?.tau_b())
            .map(|tau| Cluster::of([tau]))
            .collect();
        Ok(Self {
            first: first.name.to_owned(),
            second: second.name.to_owned(),
            tau_b: settings.mean(&taus)?,
            auc_gain: auc_difference(&two, &one, settings)?,
        })
    }
}

/// Why the power of a score could not be measured.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum PowerError {
    #[error("Score `{score}` has `{values}` values, expected `{rows}`, one for each image")]
    Length {
        score: String,
        values: usize,
        rows: usize,
    },
    #[error("Score `{score}` of image `{seed_index}` of prompt `{prompt_id}` is not a number")]
    NotANumber {
        score: String,
        prompt_id: String,
        seed_index: u32,
    },
    #[error("Power of a score could not be measured")]
    Ranking(#[from] RankingError),
    #[error("Agreement of scores could not be estimated")]
    Bootstrap(#[from] BootstrapError),
}

fn check(rows: &[EvaluationRow], column: &ScoreColumn<'_>) -> Result<(), PowerError> {
    let score = || column.name.to_owned();
    if rows.len() != column.values.len() {
        return Err(PowerError::Length {
            score: score(),
            values: column.values.len(),
            rows: rows.len(),
        });
    }
    match rows.iter().zip(column.values).find(|(_, value)| value.is_nan()) {
        Some((row, _)) => Err(PowerError::NotANumber {
            score: score(),
            prompt_id: row.prompt_id.clone(),
            seed_index: row.seed_index,
        }),
        None => Ok(()),
    }
}

/// Returns the chosen images, one pool per prompt, prompts by id and images by seed index.
fn pools(
    rows: &[EvaluationRow],
    column: &ScoreColumn<'_>,
    chosen: impl Fn(&EvaluationRow) -> bool,
) -> Vec<Vec<RankedImage>> {
    let mut pools: BTreeMap<&str, Vec<(u32, RankedImage)>> = BTreeMap::new();
    for (row, &score) in rows.iter().zip(column.values).filter(|(row, _)| chosen(row)) {
        let image = RankedImage {
            score,
            aligned: row.aligned,
        };
        pools
            .entry(&row.prompt_id)
            .or_default()
            .push((row.seed_index, image));
    }
    pools
        .into_values()
        .map(|mut pool| {
            pool.sort_by_key(|(seed_index, _)| *seed_index);
            pool.into_iter().map(|(_, image)| image).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{PowerError, ScoreAgreement, ScoreColumn, ScorePower};
    use crate::draws::Draws;
    use crate::evaluation::rows::EvaluationRow;
    use crate::evaluation::summary::tests::row;
    use crate::shapes::alignment::Failure;
    use crate::statistics::bootstrap::BootstrapSettings;

    /// A score that sees wrong colours and is blind to wrong bindings.
    fn sample() -> (Vec<EvaluationRow>, Vec<f64>) {
        let mut draws = Draws::new("score test", 0, 0);
        let mut rows = Vec::new();
        let mut scores = Vec::new();
        for prompt in 0..80 {
            for seed_index in 0..10 {
                let failure = match draws.below(4) {
                    0 => Some(Failure::Colour),
                    1 => Some(Failure::Binding),
                    _ => None,
                };
                rows.push(row(&format!("p{prompt}"), seed_index, failure));
                scores.push(
                    draws.unit()
                        - if failure == Some(Failure::Colour) {
                            2.0
                        } else {
                            0.0
                        },
                );
            }
        }
        (rows, scores)
    }

    #[test]
    fn power_is_told_apart_by_the_kind_of_failure() {
        let (rows, scores) = sample();
        let settings = BootstrapSettings::default();
        let column = ScoreColumn {
            name: "mi",
            values: &scores,
        };
        let power = ScorePower::of(&rows, &column, &settings).expect("valid");
        assert_eq!(power.score, "mi");
        assert_eq!(
            power.by_failure.keys().copied().collect::<Vec<_>>(),
            [Failure::Colour, Failure::Binding]
        );
        let area = |failure| power.by_failure[&failure].auc.expect("informative");
        assert_eq!(area(Failure::Colour).value, 1.0);
        let blind = area(Failure::Binding);
        assert!(blind.low < 0.5 && 0.5 < blind.high, "{blind:?}");
        let overall = power.overall.auc.expect("informative").value;
        assert!(blind.value < overall && overall < 1.0, "{overall}");
        assert!(power.overall.gain.expect("prompts").low > 0.0);
    }

    #[test]
    fn order_of_rows_does_not_matter() {
        let (mut rows, mut scores) = sample();
        let settings = BootstrapSettings {
            replicates: 300,
            ..BootstrapSettings::default()
        };
        let power = ScorePower::of(
            &rows,
            &ScoreColumn {
                name: "mi",
                values: &scores,
            },
            &settings,
        );
        rows.reverse();
        scores.reverse();
        assert_eq!(
            ScorePower::of(
                &rows,
                &ScoreColumn {
                    name: "mi",
                    values: &scores
                },
                &settings
            ),
            power
        );
    }

    #[test]
    fn agreement_of_a_score_with_itself_and_its_negative() {
        let (rows, scores) = sample();
        let negative: Vec<f64> = scores.iter().map(|score| -score).collect();
        let settings = BootstrapSettings {
            replicates: 300,
            ..BootstrapSettings::default()
        };
        let mi = ScoreColumn {
            name: "mi",
            values: &scores,
        };
        let inverse = ScoreColumn {
            name: "inverse",
            values: &negative,
        };
        let same = ScoreAgreement::of(&rows, &mi, &mi, &settings).expect("valid");
        assert_eq!(same.tau_b.expect("defined").value, 1.0);
        assert_eq!(same.auc_gain.expect("informative").value, 0.0);
        let opposite = ScoreAgreement::of(&rows, &mi, &inverse, &settings).expect("valid");
        assert_eq!(opposite.tau_b.expect("defined").value, -1.0);
        let area = |column| {
            ScorePower::of(&rows, column, &settings)
                .expect("valid")
                .overall
                .auc
                .expect("some")
                .value
        };
        let gain = opposite.auc_gain.expect("informative").value;
        assert!((gain - (area(&inverse) - area(&mi))).abs() < 1e-12);
    }

    #[test]
    fn scores_that_do_not_fit_are_refused() {
        let rows = [row("p", 0, None), row("q", 7, Some(Failure::Shape))];
        let settings = BootstrapSettings::default();
        let short = ScorePower::of(
            &rows,
            &ScoreColumn {
                name: "mi",
                values: &[1.0],
            },
            &settings,
        );
        assert_eq!(
            short,
            Err(PowerError::Length {
                score: "mi".to_owned(),
                values: 1,
                rows: 2
            })
        );
        let broken = ScorePower::of(
            &rows,
            &ScoreColumn {
                name: "itm",
                values: &[1.0, f64::NAN],
            },
            &settings,
        );
        let expected = PowerError::NotANumber {
            score: "itm".to_owned(),
            prompt_id: "q".to_owned(),
            seed_index: 7,
        };
        assert_eq!(broken, Err(expected));
    }
}
