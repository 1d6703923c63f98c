//! How two score columns relate.

use serde::{Deserialize, Serialize};

use super::rows::EvaluationRow;
use super::scores::{PowerError, ScoreColumn, check, pools};
use crate::statistics::auc::{RankedImage, auc_difference};
use crate::statistics::bootstrap::{BootstrapSettings, Cluster, Estimate};
use crate::statistics::kendall::PairAgreement;

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

#[cfg(test)]
mod tests {
    use super::ScoreAgreement;
    use crate::evaluate::measures::power::ScorePower;
    use crate::evaluate::measures::power::tests::sample;
    use crate::evaluate::measures::scores::ScoreColumn;
    use crate::statistics::bootstrap::BootstrapSettings;

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
}
