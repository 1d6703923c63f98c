//! What the output `summary` holds.

use std::collections::BTreeMap;

use mitune_judges::set_distance::SetEstimate;
use serde::{Deserialize, Serialize};

use super::metric::SetMetric;
use crate::contract::Dtype;
use crate::statistics::bootstrap::Estimate;

/// What was measured of sets of images, arm by arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetMetrics {
    /// What was measured.
    pub metric: SetMetric,
    /// Number format of the network.
    pub dtype: Dtype,
    /// Images that went through the network together.
    pub batch_size: u32,
    /// Resamples that each interval is made of; none where no interval was asked for.
    pub resamples: Option<u32>,
    /// Share of the resamples inside an interval.
    pub confidence: f64,
    /// Seed of the resamples.
    pub seed: u64,
    /// Whether the images of the reference were drawn anew as well.
    pub resample_reference: bool,
    /// Images of the reference of a distance.
    pub reference_images: Option<u64>,
    /// The arms, in the order of the pipeline.
    pub arms: Vec<SetMeasurement>,
}

/// What was measured of the images of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetMeasurement {
    /// The name of the arm.
    pub name: String,
    /// Number of its images.
    pub images: u64,
    /// Its distance to the reference.
    pub distance: Option<f64>,
    /// The interval of that, if one was asked for.
    pub estimate: Option<SetEstimate>,
    /// How much its images differ.
    pub diversity: Option<SetDiversity>,
}

/// How much the images of a prompt differ, over prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetDiversity {
    /// Prompts with at least two images.
    pub prompts: u64,
    /// Prompts with one image, of which nothing can be said.
    pub left_out: u64,
    /// Mean of `1 - cos` over all pairs of images of a prompt, over prompts.
    pub mean_cosine_distance: Estimate,
    /// As how many images that have nothing in common those of a prompt count, over prompts.
    pub vendi_score: Estimate,
}

/// Arms that the headline tells of.
const MOST_TOLD: usize = 4;

/// Arms that the metrics tell of.
const MOST_IN_METRICS: usize = 100;

/// Characters of the name of an arm in the headline and the metrics.
const LONGEST_NAME: usize = 60;

impl SetMetrics {
    /// The main figures in one line.
    pub(super) fn headline(&self) -> String {
        let told: Vec<String> = self
            .arms
            .iter()
            .take(MOST_TOLD)
            .map(SetMeasurement::told)
            .collect();
        let rest = match self.arms.len().saturating_sub(MOST_TOLD) {
            0 => String::new(),
            rest => format!(" and {rest} more arms"),
        };
        format!("{} {}{rest}", self.metric.name(), told.join(", "))
    }

    /// A number of the arms that have it, by their names.
    pub(super) fn by_arm(&self, of: fn(&SetMeasurement) -> Option<f64>) -> serde_json::Value {
        let arms = self.arms.iter().take(MOST_IN_METRICS);
        let numbers: BTreeMap<String, f64> = arms
            .filter_map(|arm| Some((short(&arm.name), of(arm)?)))
            .collect();
        serde_json::json!(numbers)
    }
}

impl SetMeasurement {
    fn told(&self) -> String {
        let (value, ends) = match (&self.diversity, self.distance) {
            (Some(diversity), _) => {
                let Estimate { value, low, high, .. } = diversity.mean_cosine_distance;
                (value, Some((low, high)))
            }
            (None, distance) => {
                let ends = self.estimate.map(|estimate| (estimate.low, estimate.high));
                (distance.unwrap_or_default(), ends)
            }
        };
        let ends = ends.map_or_else(String::new, |(low, high)| format!(" [{low:.4}, {high:.4}]"));
        format!("`{}` {value:.4}{ends}", short(&self.name))
    }
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}
