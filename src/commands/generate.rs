//! `mitune generate`

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use mitune_stages::adapters::adapter_file::AdapterFile;
use mitune_stages::contract::Dtype;
use mitune_stages::contract::setting_limits::MOST_TIMESTEPS;
use mitune_stages::device::DeviceSelection;
use mitune_stages::generate::guidance_method;
use mitune_stages::generate::one_prompt::{self, Generated, GeneratedImage, OnePrompt, SchedulerKind};
use serde_json::{Value, json};

use crate::engine::Interrupt;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{RunDisplay, Table, print_json};

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// What to generate
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: String,

    /// What to steer away from
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) negative: String,

    /// Number of images
    #[arg(short = 'n', long = "count", value_name = "N", allow_negative_numbers = true, default_value_t = 1, value_parser = value_parser!(u32).range(1..=i64::from(one_prompt::MOST_IMAGES)))]
    pub(crate) count: u32,

    /// Seed of the noise
    #[arg(long, value_name = "S", allow_negative_numbers = true, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Where noise comes from: counter does not depend on the batch, torch is what diffusers draws on a CPU
    #[arg(long, value_name = "RNG", default_value = "counter")]
    pub(crate) rng: RandomNumbers,

    /// Scheduler [default: that of the model where it is one of these, else ddpm]
    #[arg(long, value_name = "NAME", ignore_case = true)]
    pub(crate) scheduler: Option<Scheduler>,

    /// Number of denoising steps
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 50, value_parser = value_parser!(u32).range(1..=i64::from(MOST_TIMESTEPS)))]
    pub(crate) steps: u32,

    /// Scale of classifier-free guidance
    #[arg(long, value_name = "G", default_value_t = 7.5, allow_negative_numbers = true, value_parser = guidance)]
    pub(crate) guidance: f64,

    /// How the prompt guides the denoiser, with the defaults of pipelines: attend_and_excite and semantic_aware then
    /// look at attention on a quarter of the latent's sides, which very small models do not have
    #[arg(long, value_name = "METHOD", default_value = "classifier_free")]
    pub(crate) guidance_method: GuidanceMethod,

    /// Noise of ddim steps, from 0 to 1
    #[arg(long, value_name = "E", default_value_t = 0.0, allow_negative_numbers = true, value_parser = share)]
    pub(crate) eta: f64,

    /// Height in pixels [default: that of the model]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    pub(crate) height: Option<usize>,

    /// Width in pixels [default: that of the model]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    pub(crate) width: Option<usize>,

    /// Number format of the computation
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: NumberFormat,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceSelection,

    /// Adapter to apply, as diffusers, PEFT or kohya write it, with its scale after a colon
    #[arg(long, value_name = "FILE[:SCALE]")]
    pub(crate) adapter: Option<AdapterFile>,

    /// Folder to write 0000.png ... and candidates.parquet into; files that are there are never overwritten
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

fn guidance(text: &str) -> Result<f64, String> {
    number(text, -1e6, 1e6)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("expected a number from {least} to {most}"))
}

/// Where noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RandomNumbers {
    Counter,
    Torch,
}

/// Number format of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NumberFormat {
    F32,
    F16,
    Bf16,
}

impl From<NumberFormat> for Dtype {
    fn from(format: NumberFormat) -> Self {
        match format {
            NumberFormat::F32 => Self::F32,
            NumberFormat::F16 => Self::F16,
            NumberFormat::Bf16 => Self::Bf16,
        }
    }
}

/// A family of denoising steps, also by the name of its class in diffusers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheduler {
    #[value(alias = "DDPMScheduler")]
    Ddpm,
    #[value(alias = "DDIMScheduler")]
    Ddim,
    #[value(alias = "EulerDiscreteScheduler")]
    Euler,
    #[value(name = "euler_ancestral", alias = "EulerAncestralDiscreteScheduler")]
    EulerAncestral,
    #[value(alias = "plms", alias = "PNDMScheduler")]
    Pndm,
    #[value(name = "dpmpp_2m", alias = "DPMSolverMultistepScheduler")]
    DpmSolverPlusPlus2M,
}

/// How the prompt guides the denoiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GuidanceMethod {
    #[value(name = "classifier_free")]
    ClassifierFree,
    /// Moves latents until each of the first four nouns is attended to somewhere (Attend-and-Excite)
    #[value(name = "attend_and_excite")]
    AttendAndExcite,
    /// Takes the values of attention also from each noun phrase alone (Structured Diffusion Guidance)
    #[value(name = "structured")]
    Structured,
    /// Guides every part of the image as strongly as its foreground (S-CFG)
    #[value(name = "semantic_aware")]
    SemanticAware,
}

impl From<GuidanceMethod> for guidance_method::GuidanceMethod {
    fn from(method: GuidanceMethod) -> Self {
        match method {
            GuidanceMethod::ClassifierFree => Self::default(),
            GuidanceMethod::AttendAndExcite => Self::AttendAndExcite(Default::default()),
            GuidanceMethod::Structured => Self::Structured(Default::default()),
            GuidanceMethod::SemanticAware => Self::SemanticAware(Default::default()),
        }
    }
}

pub(crate) fn run(arguments: &GenerateArguments, session: &Session<'_>) -> Result<(), Failure> {
    let plan = arguments.plan();
    let interrupt = Interrupt::listen()?;
    let method = guidance_method::GuidanceMethod::from(arguments.guidance_method);
    let generated = plan
        .generate_by(
            &method,
            &RunDisplay::of_command("generate"),
            interrupt.cancelled(),
        )
        .map_err(|error| Failure::from(error).with_interrupt_code(interrupt.exit_code()))?;
    if session.json {
        let mut document = document(&plan, &generated);
        if !method.is_classifier_free() {
            document["guidance_method"] = method.name().into();
        }
        return print_json(&document);
    }
    let mut table = Table::with_headings(["FILE", "SEED INDEX", "MI"]);
    for image in &generated.images {
        let seed_index = image.seed_index.to_string();
        table.row([image.file.clone(), seed_index, format!("{:.4}", image.mi)]);
    }
    table.print()
}

impl GenerateArguments {
    fn plan(&self) -> OnePrompt {
        OnePrompt {
            model: self.model.clone(),
            adapter: self.adapter.clone(),
            device: self.device,
            dtype: self.dtype.into(),
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            count: self.count,
            seed: self.seed,
            random_numbers: match self.rng {
                RandomNumbers::Counter => one_prompt::RandomNumbers::Counter,
                RandomNumbers::Torch => one_prompt::RandomNumbers::Torch,
            },
            scheduler: self.scheduler.map(|scheduler| match scheduler {
                Scheduler::Ddpm => SchedulerKind::Ddpm,
                Scheduler::Ddim => SchedulerKind::Ddim,
                Scheduler::Euler => SchedulerKind::Euler,
                Scheduler::EulerAncestral => SchedulerKind::EulerAncestral,
                Scheduler::Pndm => SchedulerKind::Pndm,
                Scheduler::DpmSolverPlusPlus2M => SchedulerKind::DpmSolverPlusPlus2M,
            }),
            steps: self.steps as usize,
            guidance: self.guidance,
            eta: self.eta,
            height: self.height,
            width: self.width,
            out: self.out.clone(),
        }
    }
}

fn document(plan: &OnePrompt, generated: &Generated) -> Value {
    let image =
        |image: &GeneratedImage| json!({"file": image.file, "seed_index": image.seed_index, "mi": image.mi});
    json!({
        "folder": plan.out.to_string_lossy(),
        "table": one_prompt::TABLE,
        "prompt": plan.prompt,
        "truncated": generated.truncated,
        "seed": plan.seed,
        "scheduler": generated.scheduler,
        "device": generated.device,
        "images": generated.images.iter().map(image).collect::<Vec<_>>(),
    })
}
