//! Ctrl-C and SIGTERM.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Set once the user or the system asks the program to stop.
///
/// The first signal only sets a flag: stages finish their batch and publish it. A second one ends the process at
/// once, which loses no more than that batch.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    cancelled: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Starts to listen for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// What the system says if handlers cannot be set.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let number = signal.unsigned_abs() as usize;
            // The order matters: the first signal finds the flag unset, the second one set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt.cancelled))?;
            flag::register_usize(signal, Arc::clone(&interrupt.signal), number)?;
            flag::register(signal, Arc::clone(&interrupt.cancelled))?;
        }
        Ok(interrupt)
    }

    /// Returns the flag that stages look at.
    pub fn cancelled(&self) -> &AtomicBool {
        &self.cancelled
    }

    /// Returns the flag for threads that outlive the caller.
    pub fn shared(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Returns the exit code of a program stopped by the signal: 130 for SIGINT, 143 for SIGTERM.
    pub fn exit_code(&self) -> u8 {
        match self.signal.load(Ordering::Relaxed) {
            0 => 130,
            number => u8::try_from(128 + number).unwrap_or(130),
        }
    }
}
