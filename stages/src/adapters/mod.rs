//! Adapters outside of models: as files that the user names, and as artifacts of the store.

pub mod adapter_file;
pub mod adapter_place;
pub(crate) mod fold;
pub(crate) mod stored_adapter;
