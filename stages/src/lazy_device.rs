//! A device that is opened when something first computes on it.

use std::sync::OnceLock;

use mitune_diffusion::device::{DeviceError, DeviceSelection, OpenDevice};

/// A device that is opened when something first computes on it.
///
/// Opening a graphics card takes seconds, and a run that finds every result in the store needs none.
#[derive(Debug, Default)]
pub struct LazyDevice {
    selection: DeviceSelection,
    opened: OnceLock<Result<OpenDevice, DeviceError>>,
}

impl LazyDevice {
    /// Remembers which device to open.
    pub fn new(selection: DeviceSelection) -> Self {
        Self {
            selection,
            opened: OnceLock::new(),
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
