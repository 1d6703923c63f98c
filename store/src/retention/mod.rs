//! What is kept whatever its age: pins, and the newest runs.

mod kept_runs;
mod pin;

pub use self::kept_runs::{KeptRun, KeptWhy};
pub use self::pin::{Pin, PinError, PinTarget};
