//! Images of one prompt, straight into a folder: no pipeline, no store.

mod job;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use mitune_diffusion::device::DeviceSelection;
use mitune_diffusion::noise::text_key;
pub use mitune_diffusion::sampler::SchedulerKind;
use mitune_diffusion::sampler::{Sampler, SamplerError, SamplerSettings};
use mitune_diffusion::scheduler::SchedulerConfig;

use self::job::Job;
use crate::adapters::adapter_file::AdapterFile;
use crate::contract::demand::check_batch;
use crate::contract::{Dtype, Progress, StageError};
use crate::generate::guidance_method::GuidanceMethod;
use crate::generate::guided_sampler::GuidedSampler;
use crate::models::latent_shape::latent_shape;
use crate::models::loaded_model::LoadedModel;
use crate::output_file::{OutputFileError, check_folder};

/// Most images of one call, whose latents are all in memory until the table is written.
pub const MOST_IMAGES: u32 = 10_000;

/// Name of the table in the folder.
pub const TABLE: &str = "candidates.parquet";

/// What to make of one prompt, and where.
#[derive(Clone, Debug)]
pub struct OnePrompt {
    /// Model directory in diffusers' layout.
    pub model: PathBuf,
    /// Adapter that the denoiser wears.
    pub adapter: Option<AdapterFile>,
    /// Device to compute on.
    pub device: DeviceSelection,
    /// Number format of the networks.
    pub dtype: Dtype,
    /// The prompt, which may be empty.
    pub prompt: String,
    /// What guidance steers away from; the score compares with the empty prompt all the same.
    pub negative: String,
    /// Number of images.
    pub count: u32,
    /// Seed of all noise.
    pub seed: u64,
    /// Where noise comes from.
    pub random_numbers: RandomNumbers,
    /// The family of denoising steps; by default, that of the model's scheduler file.
    pub scheduler: Option<SchedulerKind>,
    /// Number of denoising steps.
    pub steps: usize,
    /// Scale of classifier-free guidance; 1 is none.
    pub guidance: f64,
    /// Noise of DDIM steps, from 0 to 1.
    pub eta: f64,
    /// Height in pixels; by default, what the model was trained for.
    pub height: Option<usize>,
    /// Width in pixels; by default, what the model was trained for.
    pub width: Option<usize>,
    /// Folder to write `0000.png` ... and [`TABLE`] into.
    pub out: PathBuf,
}

/// Where noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomNumbers {
    /// The counter-based generator of pipelines: an image depends on seed, prompt and seed index alone.
    Counter,
    /// PyTorch's generator, drawing for all images at once as diffusers does with one generator. All images are then
    /// one batch, and each depends on how many there are.
    Torch,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The images in the order of seed indices.
    pub images: Vec<GeneratedImage>,
    /// The family of denoising steps.
    pub scheduler: SchedulerKind,
    /// The device, as options name it.
    pub device: String,
    /// Whether the prompt was longer than the text encoder reads.
    pub truncated: bool,
}

/// One image.
#[derive(Clone, Debug)]
pub struct GeneratedImage {
    /// Name of the file in the folder.
    pub file: String,
    /// Which of the prompt's candidates.
    pub seed_index: u32,
    /// Mutual information with the prompt, in nats.
    pub mi: f64,
}

/// Why a prompt could not be made into images.
#[derive(Debug, thiserror::Error)]
enum OnePromptError {
    #[error("Number of images is {0}, expected 1 to {MOST_IMAGES}")]
    Count(u32),
    #[error("`{}` is there already and is not overwritten", path.display())]
    Exists { path: PathBuf },
    #[error(
        "Guidance method `{method}` takes noise from the counter alone; `--rng torch` does not go with it"
    )]
    Noise { method: &'static str },
    #[error("Candidates could not be generated")]
    Sampler(#[source] SamplerError),
}

impl OnePrompt {
    /// Makes the images and writes them, the table last.
    ///
    /// Nothing is overwritten: a folder that holds one of the files already is refused before anything is computed.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the model, a setting or the folder cannot be used, [`StageError::Interrupted`]
    /// after a step once `cancelled` is set, [`StageError::Failed`] if the computation or the system fails.
    pub fn generate(&self, progress: &dyn Progress, cancelled: &AtomicBool) -> Result<Generated, StageError> {
        self.generate_by(&GuidanceMethod::default(), progress, cancelled)
    }

    /// Makes the images as [`Self::generate`] does, guided by a method. [`RandomNumbers::Torch`] goes with those alone
    /// whose steps are those of a plain run.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn generate_by(
        &self,
        method: &GuidanceMethod,
        progress: &dyn Progress,
        cancelled: &AtomicBool,
    ) -> Result<Generated, StageError> {
        self.check_folder()?;
        method.check().map_err(StageError::configuration)?;
        if self.random_numbers == RandomNumbers::Torch && !method.takes_any_noise() {
            let method = method.name();
            return Err(StageError::configuration(OnePromptError::Noise { method }));
        }
        let loaded = LoadedModel::load(&self.model, self.adapter.as_ref(), self.device, self.dtype)?;
        loaded.notices.iter().for_each(|notice| progress.message(notice));
        let shape = latent_shape(
            &loaded.model.denoiser_shape(),
            &loaded.model.vae_config,
            self.height,
            self.width,
        )?;
        let batch = match self.random_numbers {
            RandomNumbers::Counter => 1,
            RandomNumbers::Torch => self.count as usize,
        };
        check_batch(batch, shape, &loaded.model.denoiser_shape())?;
        let scheduler = self
            .scheduler
            .unwrap_or_else(|| scheduler_of(&loaded.model.scheduler_config, progress));
        let settings = SamplerSettings {
            scheduler,
            steps: self.steps,
            guidance: self.guidance,
            eta: self.eta,
            seed: self.seed,
            ..SamplerSettings::default()
        };
        let sampler =
            Sampler::new(&loaded.model.scheduler_config, &settings).map_err(StageError::configuration)?;
        progress.message(&scheduler_message(&settings));
        let (model, device) = (&loaded.model, &loaded.device);
        let evaluations = sampler.evaluations();
        let guided = GuidedSampler::new(
            model,
            method,
            sampler,
            &self.negative,
            model.image_size(shape),
            device,
        )?;
        let prompt = guided.encode(model, &self.prompt, device)?;
        for (name, truncated) in [
            ("Prompt", prompt.truncated),
            ("Negative prompt", guided.negative_is_truncated()),
        ] {
            if truncated {
                progress.message(&format!(
                    "{name} is longer than the text encoder reads; its end is cut off, as CLIP does"
                ));
            }
        }
        if let Some(missing) = method.looks_for().filter(|_| !prompt.has_subjects) {
            progress.message(&format!(
                "The prompt has no {missing} that the text encoder reads; it is sampled with classifier-free guidance \
                 alone"
            ));
        }
        let job = Job {
            plan: self,
            loaded: &loaded,
            guided: &guided,
            evaluations,
            settings: &settings,
            method,
            prompt: &prompt,
            key: text_key(&self.prompt),
            shape,
            progress,
            cancelled,
        };
        let candidates = job.candidates()?;
        Ok(Generated {
            images: job.write(&candidates)?,
            scheduler,
            device: loaded.device_name.clone(),
            truncated: prompt.truncated,
        })
    }

    fn check_folder(&self) -> Result<(), StageError> {
        if !(1..=MOST_IMAGES).contains(&self.count) {
            return Err(StageError::configuration(OnePromptError::Count(self.count)));
        }
        let names = (0..self.count).map(file_name).chain([TABLE.to_owned()]);
        for path in names.map(|name| self.out.join(name)) {
            // Also a link that leads nowhere is there.
            if path.symlink_metadata().is_ok() {
                return Err(StageError::configuration(OnePromptError::Exists { path }));
            }
        }
        check_folder(&self.out).map_err(OutputFileError::before_work)
    }
}

/// Takes the scheduler that the model's file names, else the paper's.
fn scheduler_of(config: &SchedulerConfig, progress: &dyn Progress) -> SchedulerKind {
    SchedulerKind::of_class(&config.class_name).unwrap_or_else(|| {
        progress.message(&format!(
            "The model's scheduler `{}` is not available; `ddpm` is used",
            config.class_name
        ));
        SchedulerKind::Ddpm
    })
}

/// Says along which scheduler images and scores are made, because scores of different ones are not comparable.
fn scheduler_message(settings: &SamplerSettings) -> String {
    let (scheduler, steps) = (settings.scheduler, settings.steps);
    let of_pipelines = SamplerSettings::default().scheduler;
    let made = format!("Scheduler `{}`, {steps} steps", scheduler.name());
    match scheduler == of_pipelines {
        true => made,
        false => format!(
            "{made}: mutual information is estimated along it; pipelines take `{of}`, whose scores are not comparable \
             with these (`--scheduler {of}` gives them)",
            of = of_pipelines.name()
        ),
    }
}

fn file_name(seed_index: u32) -> String {
    format!("{seed_index:04}.png")
}

#[cfg(test)]
mod diffusers_tests;
#[cfg(test)]
mod tests;
