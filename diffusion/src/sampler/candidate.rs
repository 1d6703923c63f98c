//! What a run is asked for and what it makes.

use rayon::prelude::*;

use super::SamplerError;
use crate::conditioning::Conditioning;
use crate::noise::{BatchNoise, ContentKey, NoiseSource};

/// One image to make.
#[derive(Debug, Clone)]
pub struct CandidateRequest<'a> {
    /// What the prompt's noise is named by.
    pub prompt: &'a ContentKey,
    /// Which of the prompt's candidates.
    pub seed_index: u32,
    /// The encoded prompt, one row.
    pub conditioning: &'a Conditioning,
}

/// A finished image, still a latent.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which of the prompt's candidates.
    pub seed_index: u32,
    /// The latent as the network sees it (not divided by the autoencoder's scaling factor),
    /// channels first.
    pub latent: Vec<f32>,
    /// Mutual information with the prompt by the estimator of the settings, summed over the latent's
    /// elements; in nats unless the estimator says otherwise.
    pub mi: f64,
    /// The same run by the weight, range and reduction of the paper's estimator. The trajectory is
    /// that of the settings. None where that estimator has no timestep or no finite weight.
    pub mi_paper: Option<f64>,
    /// The same run by the weight, range and reduction of the reference code's estimator.
    pub mi_reference: Option<f64>,
    /// The weighted term of every evaluation of the network, counted or not.
    pub mi_trace: Vec<f32>,
    /// The timestep of every evaluation, rounded where it is fractional.
    pub timesteps: Vec<i32>,
    /// The weight of every evaluation, by which terms can be turned back into squared differences.
    pub mi_weights: Vec<f32>,
}

/// Counter-based noise of a batch, each candidate's its own.
pub(super) struct CounterNoise<'a> {
    pub(super) source: &'a NoiseSource,
    pub(super) seed: u64,
    pub(super) requests: &'a [CandidateRequest<'a>],
}

impl BatchNoise for CounterNoise<'_> {
    fn fill(&mut self, step: u32, out: &mut [f32]) {
        let size = out.len() / self.requests.len().max(1);
        out.par_chunks_mut(size.max(1))
            .zip(self.requests)
            .for_each(|(values, request)| {
                self.source
                    .normal(self.seed, request.prompt, request.seed_index, step, values);
            });
    }
}

/// Puts the prompts of all requests under each other, if each is one row that fits the unconditional one.
pub(super) fn conditionings(
    requests: &[CandidateRequest<'_>],
    unconditional: &Conditioning,
) -> Result<Conditioning, SamplerError> {
    let rows = requests
        .iter()
        .map(|request| {
            let found = request.conditioning;
            match found.fits(unconditional) && found.batch() == 1 && unconditional.batch() == 1 {
                true => Ok(found.clone()),
                false => Err(SamplerError::Context {
                    expected: unconditional.context.dims(),
                    found: found.context.dims(),
                }),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Conditioning::cat(rows))
}
