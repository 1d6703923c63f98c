//! Records: which results a stage key has, where its work can go on, and which results are disowned.

pub(crate) mod action_record;
mod actions;
mod batch;
pub(crate) mod checkpoint;
mod lookup;
mod results;
pub(crate) mod sealed;
pub(crate) mod tombstone;
#[cfg(test)]
mod versions;

pub use self::action_record::{ActionRecord, Effort, InputRecord, Producer};
pub use self::actions::Published;
pub use self::batch::Batch;
pub use self::checkpoint::Checkpoint;
pub use self::lookup::{Lookup, MissReason};
pub(crate) use self::sealed::Sealed;
pub use self::tombstone::Tombstone;
