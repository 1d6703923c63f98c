//! What is said of remotes while work goes on.

use crate::error::describe;
use crate::remote::{RemoteError, Upstream};

/// Takes warnings; they come from any thread.
pub(super) type Warn = Box<dyn Fn(&str) + Send + Sync>;

/// Says that a remote is left alone from now on.
pub(super) fn lasting(upstream: &Upstream, error: &RemoteError) -> String {
    let reason = describe(error);
    format!("The remote `{}` is not used any more: {reason}", upstream.name)
}
