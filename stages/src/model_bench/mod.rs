//! What a model's or a judge's work costs on a device: time, rate and memory.
//!
//! Inputs are random, because neither time nor memory depends on them. Operations count matrix products alone, so a
//! rate is that of the whole work in terms of what hardware is rated by.

mod judges;
mod measure;
mod parts;
mod preference;
mod work;

use std::path::PathBuf;

use mitune_diffusion::cpu_level::CpuLevel;
use mitune_diffusion::device::DeviceSelection;
use mitune_diffusion::model::Architecture;
use serde::Serialize;

pub use self::judges::{JudgeBench, JudgeBenchReport};
pub use mitune_judges::architecture::{JudgeArchitecture, UnknownJudgeArchitecture};

use self::measure::Meter;
use self::parts::Parts;
use crate::contract::demand::check_batch;
use crate::contract::{Dtype, Progress, StageError};
use crate::models::latent_shape::latent_shape;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ModelBench {
    /// The model.
    pub model: BenchModel,
    /// Device to compute on.
    pub device: DeviceSelection,
    /// Number format of the networks; training is always in f32.
    pub dtype: Dtype,
    /// Height in pixels; by default, what the model was trained for.
    pub height: Option<usize>,
    /// Width in pixels; by default, what the model was trained for.
    pub width: Option<usize>,
    /// Candidates of the one prompt, made in one batch.
    pub candidates: usize,
    /// Denoising steps of a candidate.
    pub steps: usize,
    /// Samples of a training step.
    pub training_batch: usize,
    /// Largest batch to try on the denoiser.
    pub largest_batch: usize,
    /// Counted runs of each piece of work.
    pub runs: usize,
    /// What to measure.
    pub works: Vec<BenchWork>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchWork {
    /// The denoiser alone.
    Forward,
    /// The decoder alone.
    Decode,
    /// One prompt's candidates with their mutual information.
    Candidates,
    /// The same without mutual information, which tells what it costs.
    CandidatesWithout,
    /// Updates of a LoRA and of a DoRA adapter.
    Training,
    /// Updates on pairs against the frozen reference, and on as many images without it.
    Preference,
}

impl BenchWork {
    /// Everything, in the order in which it is measured.
    pub const ALL: [Self; 6] = [
        Self::Forward,
        Self::Decode,
        Self::Candidates,
        Self::CandidatesWithout,
        Self::Training,
        Self::Preference,
    ];
}

/// A model to measure.
#[derive(Clone, Debug)]
pub enum BenchModel {
    /// One in a folder in diffusers' layout.
    Directory(PathBuf),
    /// An architecture with random weights.
    Random(Architecture),
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ModelBenchReport {
    /// Version of this program.
    pub version: &'static str,
    /// The model's folder or architecture.
    pub model: String,
    /// The device, as options name it.
    pub device: String,
    /// Threads of the CPU device.
    pub threads: usize,
    /// Level of the CPU device's instructions.
    pub cpu_level: String,
    /// The highest level of this machine.
    pub best_cpu_level: String,
    /// Number format.
    pub dtype: Dtype,
    /// Shape of a latent: channels, height, width.
    pub latent_shape: [usize; 3],
    /// Parameters of the denoiser.
    pub denoiser_parameters: usize,
    /// One entry per piece of work.
    pub measurements: Vec<Measurement>,
}

/// The cost of one piece of work.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// What was done.
    pub work: &'static str,
    /// Images or samples at once.
    pub batch: usize,
    /// Median time of a run.
    pub seconds: f64,
    /// Shortest time of a run.
    pub best_seconds: f64,
    /// Counted runs.
    pub runs: usize,
    /// Floating point operations of matrix products in a run; none where they are not counted.
    pub operations: Option<u64>,
    /// Most memory of the process during the runs, weights included, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Memory that the device holds after the runs, where it tells.
    pub device_bytes: Option<u64>,
}

impl Measurement {
    /// Images or samples per second in the median run.
    pub fn per_second(&self) -> f64 {
        self.batch as f64 / self.seconds
    }

    /// Operations per second in the median run, in units of 10^12.
    pub fn tera_operations_per_second(&self) -> Option<f64> {
        self.operations
            .map(|operations| operations as f64 / self.seconds / 1e12)
    }
}

impl ModelBench {
    /// Measures everything, telling `progress` what is being done.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the model, the device or a setting cannot be used, [`StageError::Failed`] if
    /// the computation fails.
    pub fn measure(&self, progress: &dyn Progress) -> Result<ModelBenchReport, StageError> {
        let opened = self.device.open().map_err(StageError::configuration)?;
        let device_name = opened.name();
        progress.message("Loading the model");
        let parts = Parts::load(&self.model, &opened.device, self.dtype)?;
        let denoiser = parts.network.denoiser_shape();
        let shape = latent_shape(&denoiser, &parts.vae_config, self.height, self.width)?;
        for batch in [self.candidates, self.training_batch, self.largest_batch] {
            check_batch(batch, shape, &denoiser)?;
        }
        let mut meter = Meter::new(self.runs, opened.device.clone(), progress);
        let denoiser_parameters = burn::module::Module::num_params(&parts.network);
        let wanted = |work| self.works.contains(&work);
        if wanted(BenchWork::Forward) {
            work::forward(&parts, shape, self.largest_batch, &mut meter)?;
        }
        if wanted(BenchWork::Decode) {
            work::decode(&parts, shape, &mut meter)?;
        }
        let scored = [BenchWork::Candidates, BenchWork::CandidatesWithout].map(wanted);
        work::candidates(&parts, shape, [self.candidates, self.steps], scored, &mut meter)?;
        let parts = match (wanted(BenchWork::Training), wanted(BenchWork::Preference)) {
            (true, preference) => {
                let again = preference.then(|| parts.clone());
                work::training(parts, shape, self.training_batch, &mut meter)?;
                again
            }
            (false, preference) => preference.then_some(parts),
        };
        if let Some(parts) = parts {
            preference::preference(parts, shape, self.training_batch, &work::settings(), &mut meter)?;
        }
        Ok(ModelBenchReport {
            version: env!("CARGO_PKG_VERSION"),
            model: match &self.model {
                BenchModel::Directory(path) => path.display().to_string(),
                BenchModel::Random(architecture) => architecture.name().to_owned(),
            },
            device: device_name,
            threads: rayon::current_num_threads(),
            cpu_level: CpuLevel::in_force().to_string(),
            best_cpu_level: CpuLevel::best().to_string(),
            dtype: self.dtype,
            latent_shape: shape,
            denoiser_parameters,
            measurements: meter.into_measurements(),
        })
    }
}
