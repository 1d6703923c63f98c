//! What the output `summary` holds.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::measures::agreement::ScoreAgreement;
use super::measures::comparison::Comparison;
use super::measures::power::ScorePower;
use super::measures::rows::EvaluationRow;
use super::measures::scores::{PowerError, ScoreColumn};
use super::measures::summary::EvaluationSummary;
use super::measures::timesteps::{TermColumns, TimestepPower};
use crate::shapes::reader_check::{Disturbance, ReaderAccuracy};
use crate::statistics::bootstrap::{BootstrapSettings, Estimate};
use crate::statistics::paired::PairedError;
use crate::tables::matching::MatchError;

/// Renders on which the reader is checked, and their seed.
const CHECKED: (u64, u64) = (2000, 0);

/// What was measured on a set of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// How intervals were made.
    pub bootstrap: BootstrapSettings,
    /// Shares of aligned images and of each failure.
    pub alignment: EvaluationSummary,
    /// How well each score finds aligned images, `mi` first.
    pub scores: Vec<ScorePower>,
    /// How each two scores relate.
    pub agreements: Vec<ScoreAgreement>,
    /// The power of every timestep of the scores whose terms are kept; none in reports of earlier versions.
    #[serde(default)]
    pub timesteps: Vec<TimestepPower>,
    /// What changed against the baseline, if there is one.
    pub comparison: Option<Comparison>,
    /// How often the reader of pixels itself is right.
    pub reader: Vec<ReaderCheck>,
}

/// How often the reader is right on renders whose content is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderCheck {
    /// What was done to the renders.
    pub disturbance: Disturbance,
    /// How often it was right.
    pub accuracy: ReaderAccuracy,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error("Power of scores could not be measured")]
    Power(#[from] PowerError),
    #[error("Alignment could not be estimated")]
    Alignment(#[from] crate::statistics::bootstrap::BootstrapError),
    #[error("The evaluation cannot be compared with its baseline")]
    Baseline(#[from] PairedError),
    #[error("The evaluation cannot be compared with its baseline")]
    OtherBaseline(#[source] MatchError),
}

impl EvaluationReport {
    /// Measures everything there is to measure.
    pub(super) fn of(
        rows: &[EvaluationRow],
        scores: &[ScoreColumn<'_>],
        terms: &[TermColumns<'_>],
        baseline: Option<&[EvaluationRow]>,
        bootstrap: &BootstrapSettings,
    ) -> Result<Self, ReportError> {
        let power = |column| ScorePower::of(rows, column, bootstrap);
        let mut agreements = Vec::new();
        for (number, first) in scores.iter().enumerate() {
            for second in &scores[number + 1..] {
                agreements.push(ScoreAgreement::of(rows, first, second, bootstrap)?);
            }
        }
        Ok(Self {
            bootstrap: *bootstrap,
            alignment: EvaluationSummary::of(rows, bootstrap)?,
            scores: scores.iter().map(power).collect::<Result<_, _>>()?,
            agreements,
            timesteps: terms
                .iter()
                .map(|terms| TimestepPower::of(rows, terms, bootstrap))
                .collect::<Result<_, _>>()?,
            comparison: baseline
                .map(|before| Comparison::of(before, rows, bootstrap))
                .transpose()?,
            reader: reader_checks().to_vec(),
        })
    }

    /// The main figures in one line.
    pub(super) fn headline(&self) -> String {
        let percent = |estimate: &Estimate| {
            let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|share| 100.0 * share);
            (
                format!("{value:.1}% [{low:.1}, {high:.1}]"),
                format!("{value:+.1} points [{low:+.1}, {high:+.1}]"),
            )
        };
        let EvaluationSummary {
            images,
            prompts,
            aligned,
            ..
        } = &self.alignment;
        let aligned = aligned
            .as_ref()
            .map(|aligned| percent(aligned).0)
            .unwrap_or_default();
        let change = self
            .comparison
            .as_ref()
            .and_then(|comparison| comparison.aligned.as_ref());
        let change = change.map(|change| format!("; {} against the baseline", percent(change).1));
        format!(
            "{aligned} of {images} images of {prompts} prompts aligned{}",
            change.unwrap_or_default()
        )
    }
}

/// The reader on sharp renders, and on renders as an autoencoder would blur them; measured once in a process.
fn reader_checks() -> &'static [ReaderCheck] {
    static CHECKS: OnceLock<Vec<ReaderCheck>> = OnceLock::new();
    CHECKS.get_or_init(|| {
        let disturbances = [(0.0, 0.0), (0.5, 0.03)].map(|(blur, noise)| Disturbance { blur, noise });
        let (images, seed) = CHECKED;
        let check = |disturbance| ReaderCheck {
            disturbance,
            accuracy: ReaderAccuracy::measure(seed, images, disturbance),
        };
        disturbances.into_iter().map(check).collect()
    })
}
