//! How well each score column finds the aligned images, overall and against each kind of failure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::EvaluationRow;
use super::scores::{PowerError, ScoreColumn, check, pools};
use crate::shapes::alignment::Failure;
use crate::statistics::bootstrap::BootstrapSettings;
use crate::statistics::ranking::RankingPower;

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

#[cfg(test)]
pub(super) mod tests {
    use super::{PowerError, ScoreColumn, ScorePower};
    use crate::draws::Draws;
    use crate::evaluate::measures::rows::EvaluationRow;
    use crate::evaluate::measures::summary::tests::row;
    use crate::shapes::alignment::Failure;
    use crate::statistics::bootstrap::BootstrapSettings;

    /// A score that sees wrong colours and is blind to wrong bindings.
    pub(in crate::evaluate::measures) fn sample() -> (Vec<EvaluationRow>, Vec<f64>) {
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
