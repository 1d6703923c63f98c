//! Whether a device computes what the processor computes.
//!
//! A graphics card that opens and multiplies two small matrices may still be wrong in a kernel that only a model reaches.
//! So every part of a model runs on the device with inputs drawn on the host, and is compared with the same in f32 on
//! the processor: of this host, or of another whose numbers were saved.

mod company;
mod comparison;
mod memory;
mod numbers;
mod relative_error;
mod rounding;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

use mitune_diffusion::device::{DeviceFamily, DeviceSelection};
use mitune_diffusion::nn::weights::{SafetensorsFile, TensorMap, TensorSource, encode_safetensors};
use serde::Serialize;

use crate::contract::{Dtype, Progress, StageError};
use crate::models::loaded_model::LoadedModel;
use crate::output_file::{OutputFileError, check_place, write_file};

pub use self::company::CompanyReport;
pub use self::comparison::{Agreement, PartReport};
pub use self::memory::MemoryReport;

/// What to check.
#[derive(Clone, Debug)]
pub struct DeviceCheck {
    /// Model directory in diffusers' layout; a small one tells as much as a large one.
    pub model: PathBuf,
    /// The device.
    pub device: DeviceSelection,
    /// Number format of the networks on the device. Training is checked in f32 alone, as it is done.
    pub dtype: Dtype,
    /// Numbers that another device saved; without any, the processor of this host computes them.
    pub against: Option<PathBuf>,
    /// File to write this device's numbers to.
    pub save: Option<PathBuf>,
    /// Whether to fill the device's memory, to see that its end is an error and the device works on.
    pub exhaust_memory: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceCheckReport {
    /// Version of this program.
    pub version: &'static str,
    /// The device, as options name it.
    pub device: String,
    /// The model's folder.
    pub model: String,
    /// Number format on the device.
    pub dtype: Dtype,
    /// Where the numbers to compare with came from.
    pub against: String,
    /// Each part of the model.
    pub parts: Vec<PartReport>,
    /// Whether images depend on the batch they are computed in.
    pub company: CompanyReport,
    /// What happened when memory ran out, if that was asked for.
    pub memory: Option<MemoryReport>,
    /// Time that the device's own numbers took, compiling its kernels included.
    pub seconds: f64,
}

impl DeviceCheckReport {
    /// Whether everything agreed.
    pub fn passed(&self) -> bool {
        self.parts.iter().all(|part| part.agreement == Agreement::Agrees)
            && self.company.passed()
            && self.memory.as_ref().is_none_or(|memory| memory.passed())
    }
}

impl DeviceCheck {
    /// Computes on the device and compares.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the model, the device, the format or the saved numbers cannot be used,
    /// [`StageError::Failed`] if the device fails.
    pub fn run(&self, progress: &dyn Progress) -> Result<DeviceCheckReport, StageError> {
        if let Some(path) = &self.save {
            check_place(path, b"").map_err(OutputFileError::before_work)?;
        }
        let loaded = LoadedModel::load(&self.model, None, self.device, self.dtype)?;
        progress.message(&format!("Computing on {}", loaded.device_name));
        let start = Instant::now();
        let found = numbers::compute(&loaded, self.dtype)?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(path) = &self.save {
            let saved = self.with_rounding(&loaded, &found)?;
            let bytes = encode_safetensors(&saved, None).map_err(StageError::failed)?;
            write_file(path, &bytes).map_err(StageError::failed)?;
        }
        let company = company::measure(&loaded, self.dtype)?;
        let memory = match self.exhaust_memory {
            true => {
                progress.message("Filling the device's memory");
                Some(memory::exhaust(&loaded.device))
            }
            false => None,
        };
        let (expected, against) = self.expected(progress)?;
        Ok(DeviceCheckReport {
            version: env!("CARGO_PKG_VERSION"),
            parts: comparison::compare(&expected, &found, self.dtype)?,
            device: loaded.device_name,
            model: self.model.display().to_string(),
            dtype: self.dtype,
            against,
            company,
            memory,
            seconds,
        })
    }

    fn expected(&self, progress: &dyn Progress) -> Result<(TensorMap, String), StageError> {
        if let Some(path) = &self.against {
            let numbers = SafetensorsFile::open(path)
                .and_then(|file| file.read_all())
                .map_err(StageError::configuration)?;
            return Ok((numbers, path.display().to_string()));
        }
        progress.message("Computing the same on the processor");
        let processor = DeviceSelection::Exact(DeviceFamily::Cpu, 0);
        let loaded = LoadedModel::load(&self.model, None, processor, Dtype::F32)?;
        let mut numbers = numbers::compute(&loaded, Dtype::F32)?;
        if self.dtype != Dtype::F32 {
            rounding::add(&self.model, self.dtype, &mut numbers)?;
        }
        Ok((numbers, "the processor of this host".to_owned()))
    }

    /// What is saved: exact numbers of the processor are of use for devices in half precision too.
    fn with_rounding(&self, loaded: &LoadedModel, found: &TensorMap) -> Result<TensorMap, StageError> {
        let mut saved = found.clone();
        if loaded.device_name == DeviceFamily::Cpu.to_string() && self.dtype == Dtype::F32 {
            for dtype in [Dtype::F16, Dtype::Bf16] {
                rounding::add(&self.model, dtype, &mut saved)?;
            }
        }
        Ok(saved)
    }
}
