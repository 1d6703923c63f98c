//! What planning and running take place in.

use std::sync::atomic::AtomicBool;

use mitune_stages::contract::{ExternalDigests, LazyDevice};
use mitune_store::Store;

use super::observer::Observer;

/// What is needed to plan and run pipelines.
pub struct Engine<'a> {
    /// Where results are kept.
    pub store: &'a Store,
    /// Where tensors are computed.
    pub device: &'a LazyDevice,
    /// Digests of files outside the store.
    pub digests: &'a dyn ExternalDigests,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Set when the run shall stop.
    pub cancelled: &'a AtomicBool,
}
