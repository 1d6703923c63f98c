//! What to do about a device that is not there, or whose memory ended.

use std::error::Error;

use mitune_stages::device::{DeviceError, DeviceFamily};

/// How the drivers and Burn say that memory ended.
const OUT_OF_MEMORY: [&str; 5] = [
    "out of memory",
    "outofmemory",
    "out_of_memory",
    "not enough memory",
    "buffertoobig",
];

/// Finds a device's trouble in an error or its causes, and says what to do.
pub(crate) fn device_hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<DeviceError>() {
            return hint_of(error).map(str::to_owned);
        }
        if memory_ended(&error.to_string()) {
            return Some(
                "The device's memory is too small for this much at once: lower `batch_size` (or `micro_batch`, or the \
                 number of images), the size of images, or compute in f16"
                    .to_owned(),
            );
        }
        next = error.source();
    }
    None
}

/// Whether a message says that a device's memory ended.
pub(crate) fn memory_ended(message: &str) -> bool {
    let message = message.to_lowercase();
    OUT_OF_MEMORY.iter().any(|words| message.contains(words))
}

fn hint_of(error: &DeviceError) -> Option<&'static str> {
    match error {
        DeviceError::Unknown { .. } => None,
        DeviceError::NotCompiled { .. } => Some("`mitune doctor` lists what this program can compute on"),
        DeviceError::Missing {
            family: DeviceFamily::Cuda,
            found: 0,
            ..
        } => Some(
            "No NVIDIA card with its driver was found: `nvidia-smi` must list one. `--device cpu` works everywhere, and \
             `mitune doctor` lists what is there",
        ),
        DeviceError::Missing {
            family: DeviceFamily::Wgpu,
            found: 0,
            ..
        } => Some(
            "No graphics card with a Vulkan driver was found: `vulkaninfo --summary` must list one. `--device cpu` works \
             everywhere, and `mitune doctor` lists what is there",
        ),
        DeviceError::Missing { .. } => Some("Positions count from 0; `mitune doctor` lists what is there"),
        DeviceError::Broken {
            family: DeviceFamily::Cuda,
            ..
        } => Some(
            "CUDA kernels need libdevice of NVIDIA's toolkit, under `nvvm/libdevice` in the folder that CUDA_PATH names; \
             docs/gpu.md says what else",
        ),
        DeviceError::Broken { .. } => {
            Some("`--device cpu` works everywhere; docs/gpu.md says what drivers are known to")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_card_and_full_memory_have_hints() {
        let missing = DeviceError::Missing {
            family: DeviceFamily::Cuda,
            index: 0,
            found: 0,
        };
        assert!(device_hint(&missing).unwrap().contains("nvidia-smi"));
        let full = std::io::Error::other("IoError: OutOfMemory { size: 3 }");
        assert!(device_hint(&full).unwrap().contains("batch_size"));
        let other = std::io::Error::other("No such file");
        assert_eq!(device_hint(&other), None);
    }
}
