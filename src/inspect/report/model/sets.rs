//! Distances and diversity of whole sets of images.

use serde::Serialize;

use super::{Interval, Origin};

/// What a stage measured of sets of images.
#[derive(Serialize)]
pub(crate) struct MeasuredSets {
    pub(crate) origin: Origin,
    /// The name of the metric in settings.
    pub(crate) metric: String,
    /// Images of the reference of a distance.
    pub(crate) reference_images: Option<u64>,
    /// Share of the resamples inside an interval.
    pub(crate) confidence: f64,
    /// In the order of the pipeline.
    pub(crate) arms: Vec<MeasuredSet>,
}

/// The images of one arm.
#[derive(Serialize)]
pub(crate) struct MeasuredSet {
    pub(crate) name: String,
    pub(crate) images: u64,
    pub(crate) distance: Option<f64>,
    /// The distance with its interval, if there is one.
    pub(crate) interval: Option<Interval>,
    pub(crate) diversity: Option<MeasuredDiversity>,
}

/// How much the images of a prompt differ, over prompts.
#[derive(Serialize)]
pub(crate) struct MeasuredDiversity {
    /// Prompts with at least two images.
    pub(crate) prompts: u64,
    /// Mean of `1 - cos` over all pairs of images of a prompt.
    pub(crate) mean_cosine_distance: Interval,
    pub(crate) vendi_score: Interval,
}
