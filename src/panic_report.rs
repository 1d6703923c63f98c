//! Panics: kept for a report, never shown raw.

use std::any::Any;
use std::backtrace::Backtrace;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::user_folders::cache_folder;

static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Makes panics be remembered instead of printed.
///
/// Some are caught and handled, such as those of a driver that is not there, so the printing is left to the one place
/// where a panic ends the program.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let text = format!(
            "mitune {}\nthread `{}`: {panic}\n\n{}\n",
            env!("CARGO_PKG_VERSION"),
            thread.name().unwrap_or("unnamed"),
            Backtrace::force_capture()
        );
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }));
}

/// What a caught panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

/// Writes what is known of the last panic to a file, if there was one and it can be written.
pub(crate) fn write_details() -> Option<PathBuf> {
    let text = LAST.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let folder = cache_folder();
    fs::create_dir_all(&folder).ok()?;
    let file = folder.join(format!("crash-{}.txt", ulid::Ulid::generate()));
    fs::write(&file, text).ok()?;
    Some(file)
}
