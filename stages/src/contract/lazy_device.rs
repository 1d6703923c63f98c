use std::sync::OnceLock;

use mitune_diffusion::device::{DeviceError, DeviceSelection, OpenDevice};

/// A device that is opened when something first computes on it.
///
/// Opening a graphics card takes seconds, and a run that finds every result in the store needs none.
#[derive(Debug, Default)]
pub struct LazyDevice {
    selection: DeviceSelection,
    found: OnceLock<Result<(), DeviceError>>,
    opened: OnceLock<Result<OpenDevice, DeviceError>>,
}

impl LazyDevice {
    /// Remembers which device to open.
    pub fn new(selection: DeviceSelection) -> Self {
        Self {
            selection,
            found: OnceLock::new(),
            opened: OnceLock::new(),
        }
    }

    /// Looks once whether the device is there, without opening it.
    ///
    /// # Errors
    /// [`DeviceError`] if it is not.
    pub fn find(&self) -> Result<(), DeviceError> {
        match self.opened.get() {
            Some(opened) => opened.as_ref().map(|_| ()).map_err(Clone::clone),
            None => self.found.get_or_init(|| self.selection.find()).clone(),
        }
    }

    /// Opens the device, once.
    ///
    /// # Errors
    /// [`DeviceError`] if it is not there or does not work.
    pub fn open(&self) -> Result<&OpenDevice, DeviceError> {
        self.opened
            .get_or_init(|| self.selection.open())
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Names the device as options do, such as `cuda:0`; `None` while it is closed.
    pub fn name(&self) -> Option<String> {
        let opened = self.opened.get()?.as_ref().ok()?;
        Some(opened.name())
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::device::DeviceFamily;

    use super::*;

    #[test]
    fn a_device_that_was_found_is_not_open_yet() {
        let exact = |index| LazyDevice::new(DeviceSelection::Exact(DeviceFamily::Cpu, index));
        let device = exact(0);
        assert_eq!((device.find(), device.name()), (Ok(()), None));
        device.open().unwrap();
        assert_eq!((device.find(), device.name()), (Ok(()), Some("cpu".to_owned())));
        let missing = exact(7);
        assert!(missing.find().is_err());
        assert_eq!(missing.find().unwrap_err(), missing.open().unwrap_err());
    }
}
