//! The user's word for a device.

use std::fmt;
use std::str::FromStr;

use super::{DeviceError, DeviceFamily, OpenDevice, enumerate_hardware, find, open};

/// What the user asked for: `auto`, `cpu`, `wgpu[:N]` or `cuda[:N]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceSelection {
    /// The best that works: CUDA, then a graphics card, then the processor; the default.
    #[default]
    Auto,
    /// One device of a family; positions count from 0.
    Exact(DeviceFamily, usize),
}

impl DeviceSelection {
    /// Looks whether the device is there, without making it compute.
    ///
    /// # Errors
    /// Fails when the family is not in this build or the device is missing. `auto` never fails: the processor is there.
    pub fn find(self) -> Result<(), DeviceError> {
        match self {
            Self::Exact(family, index) => find(family, index).map(|_| ()),
            Self::Auto => Ok(()),
        }
    }

    /// Opens the device and makes it compute.
    ///
    /// # Errors
    /// Fails when the family is not in this build, or the device is missing or broken. `auto`
    /// never fails while the processor works, and never takes a graphics card that is software.
    pub fn open(self) -> Result<OpenDevice, DeviceError> {
        match self {
            Self::Exact(family, index) => open(family, index),
            Self::Auto => [DeviceFamily::Cuda, DeviceFamily::Wgpu]
                .into_iter()
                .filter(|&family| !enumerate_hardware(family).is_empty())
                .find_map(|family| open(family, 0).ok())
                .map_or_else(|| open(DeviceFamily::Cpu, 0), Ok),
        }
    }
}

impl fmt::Display for DeviceSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Exact(DeviceFamily::Cpu, _) => f.write_str("cpu"),
            Self::Exact(family, index) => write!(f, "{family}:{index}"),
        }
    }
}

impl FromStr for DeviceSelection {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || DeviceError::Unknown {
            text: text.to_owned(),
        };
        let (word, index) = match text.split_once(':') {
            None => (text, None),
            Some((word, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                (word, Some(digits.parse().map_err(|_| unknown())?))
            }
            Some(_) => return Err(unknown()),
        };
        match (word, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Exact(DeviceFamily::Cpu, 0)),
            ("wgpu", index) => Ok(Self::Exact(DeviceFamily::Wgpu, index.unwrap_or(0))),
            ("cuda", index) => Ok(Self::Exact(DeviceFamily::Cuda, index.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_devices_round_trip() {
        for text in ["auto", "cpu", "wgpu:0", "wgpu:3", "cuda:0", "cuda:12"] {
            assert_eq!(text.parse::<DeviceSelection>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceSelection::Exact(DeviceFamily::Cuda, 0)));
        for text in [
            "", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cpu:0", "auto:1", "cuda:x", "CPU",
        ] {
            let unknown = DeviceError::Unknown {
                text: text.to_owned(),
            };
            assert_eq!(text.parse::<DeviceSelection>(), Err(unknown));
        }
    }
}
