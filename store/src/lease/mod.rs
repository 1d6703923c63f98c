//! Leases: who does a piece of work, so that others do not do it too.
//!
//! No result depends on a lease (results are created once, whoever computes them), so every failure of this layer ends
//! with work that is done without one. `docs/store-format.md` describes the files.

mod content;
mod directory;
mod held;
mod leases;
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_checks;
mod owner;
mod protocol;
#[cfg(test)]
mod tests;

pub use held::Lease;
pub use leases::{Claim, Holder, Leases};
pub(crate) use memory::LeaseMemory;
pub use memory::LeaseSettings;
pub use owner::Owner;
