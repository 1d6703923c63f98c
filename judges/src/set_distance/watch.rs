//! Whoever waits for a distance: told how far it is, and asked whether it is still wanted.

use super::SetDistanceError;

/// Hears how many more resamples are done, and says whether to go on. A long computation asks in between too, with 0.
pub type Watch<'a> = &'a dyn Fn(usize) -> bool;

/// Asks whether to go on.
pub(super) fn check(watch: Watch<'_>, resamples: usize) -> Result<(), SetDistanceError> {
    match watch(resamples) {
        true => Ok(()),
        false => Err(SetDistanceError::Stopped),
    }
}
