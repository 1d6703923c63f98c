//! The limit that a system may set on the size of files.

use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;

/// Makes a write beyond the limit fail, as one to a full disk does, instead of ending the process without a word.
pub(crate) fn fail_writes() {
    // A handler that does nothing is enough; without it the signal ends the process, which loses only the message.
    let _ = flag::register(SIGXFSZ, Arc::default());
}
