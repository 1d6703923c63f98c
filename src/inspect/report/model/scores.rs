use serde::Serialize;

use super::{Interval, ModelLabel, Origin};

/// How well scores find aligned images.
#[derive(Serialize)]
pub(crate) struct Scores {
    pub(crate) pools: Vec<PoolScores>,
    /// Pools whose scores could be measured but are not, to bound the work.
    pub(crate) left_out: usize,
}

/// The scores of a pool of candidates.
#[derive(Serialize)]
pub(crate) struct PoolScores {
    pub(crate) model: ModelLabel,
    pub(crate) candidates: Origin,
    pub(crate) evaluation: Origin,
    pub(crate) prompts: u64,
    pub(crate) images: u64,
    pub(crate) confidence: f64,
    pub(crate) scores: Vec<MeasuredScore>,
    /// Kinds of failure, in the order of `by_failure` of each score.
    pub(crate) failures: Vec<String>,
    pub(crate) agreements: Vec<Agreement>,
    /// Scores whose terms are kept.
    pub(crate) timesteps: Vec<Timesteps>,
}

/// The power of one score.
#[derive(Serialize)]
pub(crate) struct MeasuredScore {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    /// Area under the curve within a prompt.
    pub(crate) auc: Option<Interval>,
    /// Share of prompts whose highest candidate is aligned.
    pub(crate) top_1: Option<Interval>,
    /// Share of prompts whose lowest candidate is aligned.
    pub(crate) worst_1: Option<Interval>,
    /// What the highest candidate gains over a random one.
    pub(crate) gain: Option<Interval>,
    /// Kendall's tau-b of score and alignment within a prompt.
    pub(crate) tau: Option<Interval>,
    /// Area under the curve against images of one kind of failure alone.
    pub(crate) by_failure: Vec<Option<Interval>>,
}

/// How two scores relate.
#[derive(Serialize)]
pub(crate) struct Agreement {
    pub(crate) first: String,
    pub(crate) second: String,
    pub(crate) tau_b: Option<Interval>,
    /// Area under the curve of the second less that of the first.
    pub(crate) auc_gain: Option<Interval>,
}

/// The power of every timestep of a score.
#[derive(Serialize)]
pub(crate) struct Timesteps {
    pub(crate) score: String,
    /// From the noisiest to the clearest.
    pub(crate) terms: Vec<TimestepTerm>,
}

/// What one timestep has to do with a score.
#[derive(Serialize)]
pub(crate) struct TimestepTerm {
    pub(crate) timestep: i32,
    /// Its share of the weight of all timesteps.
    pub(crate) weight: f64,
    /// Its share of the sizes of all terms.
    pub(crate) share: f64,
    /// Area under the curve of the term alone.
    pub(crate) auc: Option<Interval>,
    /// Area under the curve of the sum of terms from the noisiest timestep down to this one.
    pub(crate) auc_down_to: Option<Interval>,
}
