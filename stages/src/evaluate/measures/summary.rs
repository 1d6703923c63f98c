//! Shares of aligned images and of each failure, with intervals over prompts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::EvaluationRow;
use crate::shapes::alignment::Failure;
use crate::statistics::bootstrap::{BootstrapError, BootstrapSettings, Estimate};

/// Shares over all images, intervals by resampling prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSummary {
    /// Number of prompts.
    pub prompts: u64,
    /// Number of images.
    pub images: u64,
    /// Share of images that do everything their prompt says.
    pub aligned: Option<Estimate>,
    /// Share of images with exactly two objects.
    pub objects: Option<Estimate>,
    /// Share of images with the prompt's colours.
    pub colours: Option<Estimate>,
    /// Share of images with the prompt's shapes.
    pub shapes: Option<Estimate>,
    /// Share of images with each colour on its shape, among those of the right colours and shapes.
    pub binding: Option<Estimate>,
    /// Share of all images that fail in each way; with `aligned` they add up to 1.
    pub failures: BTreeMap<Failure, Estimate>,
}

impl EvaluationSummary {
    /// Summarises judged images; fields are none where there is no image to measure.
    ///
    /// # Errors
    /// When the bootstrap refuses its settings.
    pub fn of(rows: &[EvaluationRow], settings: &BootstrapSettings) -> Result<Self, BootstrapError> {
        let share = |judge: &dyn Fn(&EvaluationRow) -> Option<bool>| {
            let held = |row: &EvaluationRow| judge(row).map(|held| f64::from(u8::from(held)));
            settings.clustered_mean(
                rows.iter()
                    .filter_map(|row| Some((row.prompt_id.as_str(), held(row)?))),
            )
        };
        let aligned = share(&|row| Some(row.aligned))?;
        let mut failures = BTreeMap::new();
        for failure in Failure::ALL {
            if let Some(estimate) = share(&|row| Some(row.failure == Some(failure)))? {
                failures.insert(failure, estimate);
            }
        }
        Ok(Self {
            prompts: aligned.map_or(0, |estimate| estimate.clusters),
            images: rows.len() as u64,
            aligned,
            objects: share(&|row| Some(row.objects_ok))?,
            colours: share(&|row| Some(row.colours_ok))?,
            shapes: share(&|row| Some(row.shapes_ok))?,
            binding: share(&|row| row.binding_ok)?,
            failures,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::EvaluationSummary;
    use crate::evaluate::measures::rows::EvaluationRow;
    use crate::shapes::alignment::Failure;
    use crate::statistics::bootstrap::BootstrapSettings;

    pub(in crate::evaluate::measures) fn row(
        prompt_id: &str,
        seed_index: u32,
        failure: Option<Failure>,
    ) -> EvaluationRow {
        let wrong = |kinds: &[Failure]| failure.is_some_and(|failure| kinds.contains(&failure));
        let count = wrong(&[Failure::MissingObject, Failure::ExtraObject]);
        let colours_ok = !count && !wrong(&[Failure::Colour, Failure::ColourAndShape]);
        let shapes_ok = !count && !wrong(&[Failure::Shape, Failure::ColourAndShape]);
        EvaluationRow {
            prompt_id: prompt_id.to_owned(),
            prompt: "a red circle and a blue square".to_owned(),
            seed_index,
            aligned: failure.is_none(),
            objects_ok: !count,
            colours_ok,
            shapes_ok,
            binding_ok: (colours_ok && shapes_ok).then(|| failure.is_none()),
            failure,
            reading: String::new(),
        }
    }

    #[test]
    fn shares_are_exact_and_add_up() {
        let rows = [
            row("p", 0, None),
            row("p", 1, Some(Failure::Binding)),
            row("p", 2, Some(Failure::Colour)),
            row("q", 0, None),
            row("q", 1, None),
            row("q", 2, Some(Failure::MissingObject)),
            row("r", 0, Some(Failure::ColourAndShape)),
            row("r", 1, Some(Failure::Shape)),
        ];
        let summary = EvaluationSummary::of(&rows, &BootstrapSettings::default()).expect("valid");
        assert_eq!((summary.prompts, summary.images), (3, 8));
        let value = |estimate: Option<super::Estimate>| estimate.expect("measured").value;
        assert_eq!(value(summary.aligned), 3.0 / 8.0);
        assert_eq!(value(summary.objects), 7.0 / 8.0);
        assert_eq!(value(summary.colours), 5.0 / 8.0);
        assert_eq!(value(summary.shapes), 5.0 / 8.0);
        assert_eq!(value(summary.binding), 3.0 / 4.0);
        // No image of `r` has the right colours and shapes.
        assert_eq!(summary.binding.expect("measured").clusters, 2);
        let failed: f64 = summary.failures.values().map(|estimate| estimate.value).sum();
        assert!((failed + value(summary.aligned) - 1.0).abs() < 1e-12);
        assert_eq!(summary.failures[&Failure::ExtraObject].value, 0.0);
    }

    #[test]
    fn order_of_rows_does_not_matter_and_json_brings_all_back() {
        let mut rows: Vec<_> = (0..60)
            .map(|n| {
                row(
                    &format!("p{}", n % 9),
                    n,
                    (n % 4 == 0).then_some(Failure::Binding),
                )
            })
            .collect();
        let settings = BootstrapSettings {
            replicates: 500,
            ..BootstrapSettings::default()
        };
        let summary = EvaluationSummary::of(&rows, &settings).expect("valid");
        rows.reverse();
        assert_eq!(EvaluationSummary::of(&rows, &settings), Ok(summary.clone()));
        let text = serde_json::to_string(&summary).expect("serialises");
        assert!(text.contains("\"binding\":{"), "{text}");
        assert_eq!(
            serde_json::from_str::<EvaluationSummary>(&text).expect("parses"),
            summary
        );
    }

    #[test]
    fn no_images_have_no_estimates() {
        let summary = EvaluationSummary::of(&[], &BootstrapSettings::default()).expect("valid");
        assert_eq!((summary.images, summary.prompts, summary.aligned), (0, 0, None));
        assert!(summary.failures.is_empty());
    }
}
