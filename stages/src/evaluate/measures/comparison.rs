//! What changed between two evaluations of the same prompts and seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::EvaluationRow;
use crate::shapes::alignment::Failure;
use crate::statistics::bootstrap::{BootstrapSettings, Estimate};
use crate::statistics::paired::{Observation, PairedError, paired_difference};

/// Differences in shares, later minus earlier, paired by prompt and seed, intervals by resampling prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Change in the share of aligned images.
    pub aligned: Option<Estimate>,
    /// Change in the share of images with exactly two objects.
    pub objects: Option<Estimate>,
    /// Change in the share of images with the prompt's colours.
    pub colours: Option<Estimate>,
    /// Change in the share of images with the prompt's shapes.
    pub shapes: Option<Estimate>,
    /// Change in the share of all images that fail in each way; with `aligned` they add up to 0.
    pub failures: BTreeMap<Failure, Estimate>,
    /// Share of all images that became aligned.
    pub repaired: Option<Estimate>,
    /// Share of all images that were aligned and no longer are.
    pub broken: Option<Estimate>,
}

impl Comparison {
    /// Compares two evaluations.
    ///
    /// # Errors
    /// When they do not hold the same prompt ids and seed indices once each, or the bootstrap refuses.
    pub fn of(
        before: &[EvaluationRow],
        after: &[EvaluationRow],
        settings: &BootstrapSettings,
    ) -> Result<Self, PairedError> {
        let difference = |judge: &dyn Fn(&EvaluationRow) -> bool| {
            paired_difference(
                &observations(before, judge),
                &observations(after, judge),
                settings,
            )
        };
        let aligned = difference(&|row| row.aligned)?;
        let mut failures = BTreeMap::new();
        for failure in Failure::ALL {
            if let Some(estimate) = difference(&|row| row.failure == Some(failure))? {
                failures.insert(failure, estimate);
            }
        }
        let earlier: BTreeMap<(&str, u32), bool> = before
            .iter()
            .map(|row| ((row.prompt_id.as_str(), row.seed_index), row.aligned))
            .collect();
        let was_aligned =
            |row: &EvaluationRow| earlier.get(&(row.prompt_id.as_str(), row.seed_index)) == Some(&true);
        let nothing = observations(after, &|_| false);
        let became = |judge: &dyn Fn(&EvaluationRow) -> bool| {
            paired_difference(&nothing, &observations(after, judge), settings)
        };
        Ok(Self {
            aligned,
            objects: difference(&|row| row.objects_ok)?,
            colours: difference(&|row| row.colours_ok)?,
            shapes: difference(&|row| row.shapes_ok)?,
            failures,
            repaired: became(&|row| row.aligned && !was_aligned(row))?,
            broken: became(&|row| !row.aligned && was_aligned(row))?,
        })
    }
}

fn observations<'a>(
    rows: &'a [EvaluationRow],
    judge: &dyn Fn(&EvaluationRow) -> bool,
) -> Vec<Observation<'a>> {
    rows.iter()
        .map(|row| Observation {
            cluster: &row.prompt_id,
            unit: u64::from(row.seed_index),
            value: f64::from(u8::from(judge(row))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Comparison;
    use crate::evaluate::measures::summary::tests::row;
    use crate::shapes::alignment::Failure;
    use crate::statistics::bootstrap::{BootstrapSettings, Estimate};

    #[test]
    fn changes_are_those_of_the_same_images() {
        let before = [
            row("p", 0, None),
            row("p", 1, Some(Failure::Binding)),
            row("q", 0, Some(Failure::Binding)),
            row("q", 1, Some(Failure::MissingObject)),
        ];
        let after = [
            row("q", 1, None),
            row("q", 0, None),
            row("p", 1, None),
            row("p", 0, Some(Failure::Colour)),
        ];
        let comparison = Comparison::of(&before, &after, &BootstrapSettings::default()).expect("same images");
        let value = |estimate: Option<Estimate>| estimate.expect("measured").value;
        assert_eq!(
            (value(comparison.aligned), value(comparison.objects)),
            (0.5, 0.25)
        );
        assert_eq!((value(comparison.colours), value(comparison.shapes)), (0.0, 0.25));
        assert_eq!(
            (value(comparison.repaired), value(comparison.broken)),
            (0.75, 0.25)
        );
        assert_eq!(comparison.failures[&Failure::Binding].value, -0.5);
        assert_eq!(comparison.failures[&Failure::Colour].value, 0.25);
        let total: f64 = comparison.failures.values().map(|estimate| estimate.value).sum();
        assert!((total + value(comparison.aligned)).abs() < 1e-12);
    }

    #[test]
    fn other_images_cannot_be_compared() {
        let (one, other) = ([row("p", 0, None)], [row("p", 1, None)]);
        assert!(Comparison::of(&one, &other, &BootstrapSettings::default()).is_err());
    }
}
