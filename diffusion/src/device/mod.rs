//! Devices: from the user's word to one that has really computed something.
//!
//! Burn opens devices lazily and panics, sometimes on a thread of its own, when a driver is
//! missing. So a device counts as there only after a small product on it came back right, and a
//! panic on the way is an error like any other.

mod probe;
mod selection;

use std::fmt;

use burn::tensor::{Device, FloatDType};
use thiserror::Error;

pub use probe::{probe, quietly};
pub use selection::DeviceSelection;

/// A device that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// A word that names no device.
    #[error("Unknown device `{text}`; use `auto`, `cpu`, `wgpu`, `wgpu:N`, `cuda` or `cuda:N`")]
    Unknown {
        /// The word.
        text: String,
    },
    /// A family this build was made without.
    #[error("This build cannot use `{family}` devices; build it with `--features {family}`")]
    NotCompiled {
        /// The family asked for.
        family: DeviceFamily,
    },
    /// A device this machine does not have.
    #[error("There is no device `{family}:{index}`; `{found}` of this kind found")]
    Missing {
        /// The family asked for.
        family: DeviceFamily,
        /// The position asked for.
        index: usize,
        /// How many devices of the family there are.
        found: usize,
    },
    /// A device that is listed and does not work.
    #[error("Device `{family}:{index}` does not work: {reason}")]
    Broken {
        /// The family asked for.
        family: DeviceFamily,
        /// The position asked for.
        index: usize,
        /// What went wrong.
        reason: String,
    },
}

/// A kind of device, named as its cargo feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFamily {
    /// Burn's flex on the processor; always there.
    Cpu,
    /// Any graphics card, through Vulkan.
    Wgpu,
    /// NVIDIA cards.
    Cuda,
}

/// A device that has passed the probe.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// The handle tensors are made with.
    pub device: Device,
    /// Its family.
    pub family: DeviceFamily,
    /// Its position in the family.
    pub index: usize,
}

impl OpenDevice {
    /// The device as options name it: `cpu`, or a family with a position, such as `cuda:0`.
    pub fn name(&self) -> String {
        match self.family {
            DeviceFamily::Cpu => "cpu".to_owned(),
            family => format!("{family}:{}", self.index),
        }
    }
}

/// One line of the list of devices.
#[derive(Debug, Clone)]
pub struct DeviceReport {
    /// The family.
    pub family: DeviceFamily,
    /// The position in the family; none when the family has no device here.
    pub index: Option<usize>,
    /// The float types it computes in, or why it does not work.
    pub float_types: Result<Vec<&'static str>, DeviceError>,
}

/// Lists every device of every family and whether it works.
pub fn list_devices() -> Vec<DeviceReport> {
    let families = [DeviceFamily::Cpu, DeviceFamily::Wgpu, DeviceFamily::Cuda];
    let mut reports = Vec::new();
    for family in families {
        let count = quietly(|| enumerate(family)).map_or(0, |found| found.map_or(0, |d| d.len()));
        reports.extend((0..count.max(1)).map(|index| {
            let opened = open(family, index);
            DeviceReport {
                family,
                index: (count > 0).then_some(index),
                float_types: opened.map(|open| float_types(&open.device)),
            }
        }));
    }
    reports
}

/// Names the float types a device stores, converts and computes in.
pub fn float_types(device: &Device) -> Vec<&'static str> {
    let types = [
        (FloatDType::F64, "f64"),
        (FloatDType::F32, "f32"),
        (FloatDType::F16, "f16"),
        (FloatDType::BF16, "bf16"),
    ];
    let supported = |float: FloatDType| quietly(|| device.supports_dtype(float)) == Ok(true);
    types
        .into_iter()
        .filter(|&(float, _)| supported(float))
        .map(|(_, name)| name)
        .collect()
}

fn open(family: DeviceFamily, index: usize) -> Result<OpenDevice, DeviceError> {
    let device = find(family, index)?;
    quietly(|| probe(&device))
        .and_then(|result| result)
        .map_err(|reason| DeviceError::Broken {
            family,
            index,
            reason,
        })?;
    Ok(OpenDevice {
        device,
        family,
        index,
    })
}

/// Finds a device in the list of its family; whether it works is not known yet.
fn find(family: DeviceFamily, index: usize) -> Result<Device, DeviceError> {
    let broken = |reason| DeviceError::Broken {
        family,
        index,
        reason,
    };
    let devices = quietly(|| enumerate(family)).map_err(broken)??;
    let found = devices.len();
    devices
        .into_iter()
        .nth(index)
        .ok_or(DeviceError::Missing { family, index, found })
}

/// Lists a family, or says that this build lacks it.
fn enumerate(family: DeviceFamily) -> Result<Vec<Device>, DeviceError> {
    match family {
        DeviceFamily::Cpu => Ok(vec![Device::flex()]),
        #[cfg(feature = "vulkan")]
        DeviceFamily::Wgpu => Ok(Device::enumerate(burn::tensor::DeviceType::Vulkan).into_vec()),
        #[cfg(all(feature = "wgpu", not(feature = "vulkan")))]
        DeviceFamily::Wgpu => Ok(Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec()),
        #[cfg(feature = "cuda")]
        DeviceFamily::Cuda => Ok(Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec()),
        #[cfg(not(all(feature = "wgpu", feature = "cuda")))]
        family => Err(DeviceError::NotCompiled { family }),
    }
}

/// Lists a family without adapters that are software, which the processor's own kernels outrun.
fn enumerate_hardware(family: DeviceFamily) -> Vec<Device> {
    let devices = quietly(|| enumerate(family))
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    #[cfg(feature = "wgpu")]
    let devices = {
        #[cfg(feature = "vulkan")]
        let software = Device::vulkan(burn::tensor::DeviceKind::Cpu);
        #[cfg(not(feature = "vulkan"))]
        let software = Device::wgpu(burn::tensor::DeviceKind::Cpu);
        devices
            .into_iter()
            .take_while(|device| *device != software)
            .collect()
    };
    devices
}

impl fmt::Display for DeviceFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_opens_and_reports_its_types() {
        let open = "cpu".parse::<DeviceSelection>().unwrap().open().unwrap();
        assert_eq!((open.family, open.index), (DeviceFamily::Cpu, 0));
        assert!(float_types(&open.device).contains(&"f32"));
        assert!(DeviceSelection::Auto.open().is_ok());
        let reports = list_devices();
        assert!(reports[0].float_types.as_ref().unwrap().contains(&"f32"));
        assert!(reports.iter().any(|report| report.family == DeviceFamily::Cuda));
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        let missing = DeviceSelection::Exact(DeviceFamily::Cpu, 7).open().unwrap_err();
        let found = [0, 7].map(|index| DeviceSelection::Exact(DeviceFamily::Cpu, index).find());
        assert_eq!(found, [Ok(()), Err(missing.clone())]);
        assert_eq!(
            missing.to_string(),
            "There is no device `cpu:7`; `1` of this kind found"
        );
        for family in [DeviceFamily::Wgpu, DeviceFamily::Cuda] {
            let refused = DeviceSelection::Exact(family, 99).open().unwrap_err();
            let compiled = match family {
                DeviceFamily::Wgpu => cfg!(feature = "wgpu"),
                _ => cfg!(feature = "cuda"),
            };
            assert_eq!(refused != DeviceError::NotCompiled { family }, compiled);
        }
    }
}
