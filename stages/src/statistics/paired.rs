//! Differences between two methods on the same prompts and seeds.

use std::collections::BTreeMap;

use thiserror::Error;

use super::bootstrap::{BootstrapError, BootstrapSettings, Cluster, Estimate};

/// One measured value and what identifies it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation<'a> {
    /// What is resampled as a whole, such as the prompt id.
    pub cluster: &'a str,
    /// Which observation of the cluster it is, such as the seed index.
    pub unit: u64,
    /// The value.
    pub value: f64,
}

/// Estimates the mean of `after - before` over observations that both have, clusters resampled.
///
/// Pairing removes what prompts and seeds contribute to both sides, so that the interval is much narrower than
/// that of two separate means. None when there are no observations.
///
/// # Errors
/// When a side holds an observation twice or lacks one that the other side has, or when the bootstrap refuses.
pub fn paired_difference(
    before: &[Observation<'_>],
    after: &[Observation<'_>],
    settings: &BootstrapSettings,
) -> Result<Option<Estimate>, PairedError> {
    let before = by_identity(before, Side::Before)?;
    let after = by_identity(after, Side::After)?;
    let mut clusters: BTreeMap<&str, Cluster> = BTreeMap::new();
    for (identity, value) in &after {
        let earlier = before
            .get(identity)
            .ok_or_else(|| PairedError::missing(Side::Before, *identity))?;
        clusters.entry(identity.0).or_default().add(value - earlier);
    }
    if let Some(identity) = before.keys().find(|identity| !after.contains_key(*identity)) {
        return Err(PairedError::missing(Side::After, *identity));
    }
    let clusters: Vec<Cluster> = clusters.into_values().collect();
    Ok(settings.mean(&clusters)?)
}

/// Why two sides could not be paired.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum PairedError {
    #[error("Observation `{unit}` of `{cluster}` occurs twice on the `{side}` side")]
    Duplicate {
        side: &'static str,
        cluster: String,
        unit: u64,
    },
    #[error("Observation `{unit}` of `{cluster}` is missing on the `{side}` side, present on the other")]
    Missing {
        side: &'static str,
        cluster: String,
        unit: u64,
    },
    #[error("Difference could not be estimated")]
    Bootstrap(#[from] BootstrapError),
}

type Identity<'a> = (&'a str, u64);

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Before => "before",
            Side::After => "after",
        }
    }
}

impl PairedError {
    fn missing(side: Side, (cluster, unit): Identity<'_>) -> Self {
        PairedError::Missing {
            side: side.name(),
            cluster: cluster.to_owned(),
            unit,
        }
    }
}

fn by_identity<'a>(
    observations: &[Observation<'a>],
    side: Side,
) -> Result<BTreeMap<Identity<'a>, f64>, PairedError> {
    let mut found = BTreeMap::new();
    for observation in observations {
        let identity = (observation.cluster, observation.unit);
        if found.insert(identity, observation.value).is_some() {
            let cluster = observation.cluster.to_owned();
            return Err(PairedError::Duplicate {
                side: side.name(),
                cluster,
                unit: observation.unit,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Observation, PairedError, paired_difference};
    use crate::draws::Draws;
    use crate::statistics::bootstrap::{BootstrapSettings, Cluster};

    fn observed(cluster: &str, unit: u64, value: f64) -> Observation<'_> {
        Observation { cluster, unit, value }
    }

    #[test]
    fn the_difference_is_that_of_the_means_and_order_does_not_matter() {
        let before = [
            observed("p", 0, 1.0),
            observed("p", 1, 0.0),
            observed("q", 0, 0.0),
        ];
        let after = [
            observed("q", 0, 1.0),
            observed("p", 1, 0.5),
            observed("p", 0, 1.0),
        ];
        let estimate = paired_difference(&before, &after, &BootstrapSettings::default())
            .expect("valid")
            .expect("observed");
        assert_eq!(estimate.value, 0.5);
        assert_eq!((estimate.clusters, estimate.observations), (2, 3));
        // Resamples of two clusters hold p twice (0.25), both (0.5) or q twice (1).
        assert_eq!((estimate.low, estimate.high), (0.25, 1.0));
    }

    #[test]
    fn pairing_removes_what_both_sides_share() {
        let names: Vec<String> = (0..60).map(|number| format!("p{number}")).collect();
        let mut draws = Draws::new("paired test", 0, 0);
        let mut before = Vec::new();
        let mut after = Vec::new();
        for name in &names {
            let difficulty = draws.unit();
            for unit in 0..4 {
                let value = difficulty + draws.unit() * 0.01;
                before.push(observed(name, unit, value));
                after.push(observed(name, unit, value + 0.1));
            }
        }
        let settings = BootstrapSettings::default();
        let paired = paired_difference(&before, &after, &settings)
            .expect("valid")
            .expect("observed");
        assert!((paired.low - 0.1).abs() < 1e-12 && (paired.high - 0.1).abs() < 1e-12);
        let alone: Vec<Cluster> = before
            .chunks(4)
            .map(|rows| Cluster::of(rows.iter().map(|row| row.value)))
            .collect();
        let alone = settings.mean(&alone).expect("valid").expect("observed");
        assert!(alone.high - alone.low > 0.1);
    }

    #[test]
    fn sides_that_do_not_match_are_refused_by_name() {
        let settings = BootstrapSettings::default();
        let (one, two) = (
            [observed("p", 0, 1.0)],
            [observed("p", 0, 1.0), observed("p", 1, 1.0)],
        );
        let missing = |side| PairedError::Missing {
            side,
            cluster: "p".to_owned(),
            unit: 1,
        };
        assert_eq!(paired_difference(&one, &two, &settings), Err(missing("before")));
        assert_eq!(paired_difference(&two, &one, &settings), Err(missing("after")));
        let twice = [one[0], one[0]];
        let duplicate = PairedError::Duplicate {
            side: "after",
            cluster: "p".to_owned(),
            unit: 0,
        };
        assert_eq!(paired_difference(&one, &twice, &settings), Err(duplicate));
        assert_eq!(paired_difference(&[], &[], &settings), Ok(None));
    }
}
