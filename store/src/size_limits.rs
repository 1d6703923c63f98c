//! The most bytes that a file of each kind may have where it is read into memory as a whole, from wherever it comes.

/// The largest blob that is read as a whole; larger ones are read piece by piece from their path.
pub(crate) const WHOLE_LIMIT: u64 = 4 << 30;

/// The largest blob that is read whole as a list of rows or files, or as a value of JSON.
pub(crate) const LIST_LIMIT: u64 = 256 << 20;

/// The largest blob that holds the value a key was derived from: the settings of a stage.
pub(crate) const PREIMAGE_LIMIT: u64 = 16 << 20;

/// The largest header of a file of tensors that its readers accept.
pub(crate) const TENSOR_HEADER_LIMIT: usize = 100_000_000;

/// The largest action record; larger values belong into an artifact.
pub(crate) const ACTION_LIMIT: usize = 64 * 1024;
