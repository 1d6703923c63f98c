//! Scores of given images and prompts, straight into a file: no pipeline, no store.

mod error;
pub(crate) mod pair_file;
mod settings;
mod table;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use mitune_diffusion::conditioning::ImageSize;
use mitune_diffusion::device::DeviceSelection;
use mitune_diffusion::forward_scores::{ForwardScoreError, ForwardScorer, ForwardScores};
use mitune_diffusion::image::RgbImage;

use self::error::GivenPairsError;
use self::pair_file::{check_output, count, name, open};
use self::table::{schema, table};
use crate::adapters::adapter_file::AdapterFile;
use crate::contract::{Dtype, Progress, StageError, Work};
use crate::ingest::prompts::pairs::Pair;
use crate::models::latent_shape::side_step;
use crate::models::loaded_model::LoadedModel;
use crate::output_file::write_table;

pub use self::settings::PairScoring;
pub use crate::models::loaded_model::Posterior;
pub use mitune_diffusion::mutual_information::MiMode;

/// Images of one prompt that are computed together at most.
const BATCH: usize = 8;

/// Pixels that a batch holds at most; four images of 512 x 512.
const BATCH_PIXELS: usize = 1 << 20;

/// Pixels of an image that is scored at most, as many as 4096 x 4096 have.
///
/// Images are scored at their own size, and the 24 bytes that each pixel takes as numbers are 400 MB then, before the
/// networks begin. The head of a file tells how many there are.
const MOST_PIXELS: u64 = 1 << 24;

/// Which pairs to score, with what, and where the scores go.
#[derive(Clone, Debug)]
pub struct GivenPairs {
    /// Model directory in diffusers' layout.
    pub model: PathBuf,
    /// Adapter that the denoiser wears.
    pub adapter: Option<AdapterFile>,
    /// Device to compute on.
    pub device: DeviceSelection,
    /// Number format of the networks.
    pub dtype: Dtype,
    /// How pairs are scored.
    pub scoring: PairScoring,
    /// CSV or Parquet file with the columns `image` and `prompt`.
    pub pairs: PathBuf,
    /// Parquet file to write; one that is there is replaced once all scores are known.
    pub out: PathBuf,
}

/// What was scored.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The pairs in the order of the file.
    pub pairs: Vec<ScoredPair>,
    /// The device, as options name it.
    pub device: String,
    /// Number of prompts that were longer than the text encoder reads.
    pub truncated: usize,
}

/// One pair and its scores; larger is a better match in all of them.
#[derive(Clone, Debug)]
pub struct ScoredPair {
    /// The path of the image as the file of pairs has it, if it has one.
    pub image: Option<String>,
    /// The prompt.
    pub prompt: String,
    /// Its scores.
    pub scores: ForwardScores,
}

/// A pair whose image is known to fit the model.
struct Decoded {
    pair: Pair,
    pixels: RgbImage,
}

impl GivenPairs {
    /// Scores all pairs and writes the table: `image`, `prompt`, `mi`, `mi_signed`, `itm`, `itm_normalised`,
    /// `itm_squared` and `itm_squared_normalised`, with the rows of the file in their order.
    ///
    /// `mi` is the mutual information in nats that generation estimates too, at the same timesteps with the same
    /// weights, but from forward noise on the image rather than along the trajectory that made it. Over a range of
    /// timesteps of one's own it is only what that range contributes, and called `mi_forward`.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the model, a pair or the output cannot be used, [`StageError::Interrupted`]
    /// once `cancelled` is set, [`StageError::Failed`] if the computation or the system fails. There is then no new
    /// output.
    pub fn score(&self, progress: &dyn Progress, cancelled: &AtomicBool) -> Result<Scored, StageError> {
        check_output(&self.out, &self.pairs)?;
        let total = count(&self.pairs)?;
        self.scoring
            .timesteps
            .check()
            .map_err(StageError::configuration)?;
        let loaded = LoadedModel::load(&self.model, self.adapter.as_ref(), self.device, self.dtype)?;
        loaded.notices.iter().for_each(|notice| progress.message(notice));
        let scorer = ForwardScorer::new(&loaded.model.scheduler_config, &self.scoring.forward())
            .map_err(StageError::configuration)?;
        let mut job = Job {
            plan: self,
            loaded: &loaded,
            scorer,
            cancelled,
            scored: Vec::new(),
            truncated: 0,
        };
        progress.begin(Work {
            total,
            reused: 0,
            unit: "pairs",
        });
        let mut waiting: Vec<Decoded> = Vec::new();
        for pair in open(&self.pairs)? {
            let next = job.decode(pair.map_err(StageError::configuration)?)?;
            if !belongs(&waiting, &next) {
                progress.advance(job.score(std::mem::take(&mut waiting))?);
            }
            waiting.push(next);
        }
        progress.advance(job.score(waiting)?);
        let (scored, truncated) = (job.scored, job.truncated);
        if truncated > 0 {
            progress.message(&format!(
                "{truncated} of {total} prompts are longer than the text encoder reads; their ends are cut off, as \
                 CLIP does"
            ));
        }
        let schema = schema(&self.scoring);
        let table = table(&schema, &scored).map_err(StageError::failed)?;
        write_table(&self.out, &schema, &[table]).map_err(StageError::failed)?;
        Ok(Scored {
            pairs: scored,
            device: loaded.device_name.clone(),
            truncated,
        })
    }
}

/// Whether a pair can join a batch: same prompt, same size, and room for one more.
fn belongs(waiting: &[Decoded], next: &Decoded) -> bool {
    waiting.first().is_none_or(|first| {
        let size = |image: &RgbImage| (image.width(), image.height());
        let pixels = next.pixels.width() as usize * next.pixels.height() as usize;
        first.pair.prompt == next.pair.prompt
            && size(&first.pixels) == size(&next.pixels)
            && waiting.len() < (BATCH_PIXELS / pixels).clamp(1, BATCH)
    })
}

/// Everything a batch needs, and what batches gave.
struct Job<'a> {
    plan: &'a GivenPairs,
    loaded: &'a LoadedModel,
    scorer: ForwardScorer,
    cancelled: &'a AtomicBool,
    scored: Vec<ScoredPair>,
    truncated: usize,
}

impl Job<'_> {
    fn decode(&self, pair: Pair) -> Result<Decoded, StageError> {
        let pixels = RgbImage::decode_at_most(&pair.image, MOST_PIXELS).map_err(|source| {
            let image = name(&self.plan.pairs, pair.path.as_deref(), pair.row);
            StageError::configuration(GivenPairsError::Undecodable { image, source })
        })?;
        let denoiser = self.loaded.model.denoiser_shape();
        let step = side_step(&denoiser, &self.loaded.model.vae_config);
        let (width, height) = (pixels.width(), pixels.height());
        let fits = |side: u32| side > 0 && (side as usize).is_multiple_of(step);
        if fits(width) && fits(height) {
            return Ok(Decoded { pair, pixels });
        }
        let trained = denoiser.sample_size.map(|side| {
            let side = side * self.loaded.model.vae_config.downscale();
            format!("; the model was made for {side} x {side}")
        });
        Err(StageError::configuration(GivenPairsError::Size {
            image: name(&self.plan.pairs, pair.path.as_deref(), pair.row),
            width,
            height,
            step,
            trained: trained.unwrap_or_default(),
        }))
    }

    /// Scores a batch and returns how many pairs it had.
    fn score(&mut self, batch: Vec<Decoded>) -> Result<u64, StageError> {
        let Some(first) = batch.first() else { return Ok(0) };
        let prompt = first.pair.prompt.as_str();
        let LoadedModel { model, device, .. } = self.loaded;
        let size = ImageSize {
            height: first.pixels.height() as usize,
            width: first.pixels.width() as usize,
        };
        let encoded = model
            .encode_prompts(&[prompt], size, device)
            .map_err(StageError::failed)?;
        let empty = model
            .encode_negative("", size, device)
            .map_err(StageError::failed)?;
        if encoded.truncated.contains(&true) {
            self.truncated += batch.len();
        }
        let mut on_step = |_| match self.cancelled.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let pixels: Vec<RgbImage> = batch.iter().map(|decoded| decoded.pixels.clone()).collect();
        let scores = self
            .scorer
            .score(
                model.denoiser(),
                self.loaded.encode(&pixels, self.plan.scoring.posterior),
                &encoded.conditioning,
                &empty.conditioning,
                &self.plan.scoring.noise.key(prompt),
                &mut on_step,
            )
            .map_err(|error| match error {
                ForwardScoreError::Cancelled => StageError::Interrupted,
                source => StageError::failed(GivenPairsError::Score {
                    image: name(&self.plan.pairs, first.pair.path.as_deref(), first.pair.row),
                    source,
                }),
            })?;
        let count = batch.len() as u64;
        let rows = batch.into_iter().zip(scores);
        self.scored.extend(rows.map(|(decoded, scores)| ScoredPair {
            image: decoded.pair.path,
            prompt: decoded.pair.prompt,
            scores,
        }));
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
