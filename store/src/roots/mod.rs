//! What a collection starts from: pins, runs, leases.

mod kept_runs;
mod pin;
mod pin_name;

pub use kept_runs::{KeptRun, KeptWhy};
pub use pin::{Pin, PinError, PinTarget};
pub use pin_name::{PinName, PinNameError};
