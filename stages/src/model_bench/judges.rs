//! The network of a judge, and what becomes of a picture before it.

use burn::tensor::Tensor;
use mitune_diffusion::cpu_level::CpuLevel;
use mitune_diffusion::device::DeviceSelection;
use mitune_diffusion::image::RgbImage;
use mitune_judges::architecture::{JudgeArchitecture, RandomJudge};
use mitune_judges::picture::Picture;
use serde::Serialize;

use super::Measurement;
use super::measure::{Meter, TimedWork};
use super::parts::Place;
use super::work::read;
use crate::contract::{Dtype, Progress, StageError};
use crate::models::model_source::float_dtype;

/// What to measure of a judge.
#[derive(Clone, Debug)]
pub struct JudgeBench {
    /// The architecture, which gets random weights.
    pub architecture: JudgeArchitecture,
    /// Device to compute on.
    pub device: DeviceSelection,
    /// Number format of the network.
    pub dtype: Dtype,
    /// Images at once, one measurement for each number.
    pub batches: Vec<usize>,
    /// Counted runs of each piece of work.
    pub runs: usize,
}

/// What was measured of a judge.
#[derive(Clone, Debug, Serialize)]
pub struct JudgeBenchReport {
    /// Version of this program.
    pub version: &'static str,
    /// The architecture.
    pub architecture: &'static str,
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
    /// Side of the images that the network sees.
    pub side: usize,
    /// Parameters of the network.
    pub parameters: usize,
    /// One entry per piece of work.
    pub measurements: Vec<Measurement>,
}

/// Side of the picture that is prepared: what Stable Diffusion makes.
const PICTURE_SIDE: u32 = 512;

impl JudgeBench {
    /// Measures everything, telling `progress` what is being done.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the device cannot be used, [`StageError::Failed`] if the computation fails.
    pub fn measure(&self, progress: &dyn Progress) -> Result<JudgeBenchReport, StageError> {
        let opened = self.device.open().map_err(StageError::configuration)?;
        let device_name = opened.name();
        progress.message("Making the network");
        let dtype = float_dtype(self.dtype);
        let network = self.architecture.network(0, &opened.device, dtype);
        let network = network.map_err(StageError::failed)?;
        let place = Place {
            device: &opened.device,
            dtype,
        };
        let mut meter = Meter::new(self.runs, opened.device.clone(), progress);
        preprocessing(self.architecture, &mut meter)?;
        for batch in &self.batches {
            judging(&network, self.architecture, *batch, place, &mut meter)?;
        }
        Ok(JudgeBenchReport {
            version: env!("CARGO_PKG_VERSION"),
            architecture: self.architecture.name(),
            device: device_name,
            threads: rayon::current_num_threads(),
            cpu_level: CpuLevel::in_force().to_string(),
            best_cpu_level: CpuLevel::best().to_string(),
            dtype: self.dtype,
            side: self.architecture.side(),
            parameters: network.parameters(),
            measurements: meter.into_measurements(),
        })
    }
}

/// A picture's way to the network, on one thread.
fn preprocessing(architecture: JudgeArchitecture, meter: &mut Meter<'_>) -> Result<(), StageError> {
    let count = (PICTURE_SIDE * PICTURE_SIDE * 3) as usize;
    let bytes = (0..count).map(|index| (index * 193 % 251) as u8).collect();
    let image = RgbImage::new(PICTURE_SIDE, PICTURE_SIDE, bytes).map_err(StageError::failed)?;
    let (picture, recipe) = (Picture::from_rgb(&image), architecture.preprocessing());
    meter.measure(TimedWork {
        name: "preprocessing",
        batch: 1,
        operations: None,
        warm_up: None,
        run: Box::new(|| recipe.apply(&picture).map(drop).map_err(StageError::failed)),
    })
}

/// The network on some images.
fn judging(
    network: &RandomJudge,
    architecture: JudgeArchitecture,
    batch: usize,
    place: Place<'_>,
    meter: &mut Meter<'_>,
) -> Result<(), StageError> {
    let side = architecture.side();
    let pixels: Tensor<4> = place.normal([batch, side, side, 3]);
    meter.measure(TimedWork {
        name: "judging",
        batch,
        operations: None,
        warm_up: None,
        run: Box::new(|| read(network.forward(pixels.clone()))),
    })
}
