//! Why an index is of no use.

#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    /// Another process of this host uses it, which is no fault of the index.
    #[error("Another process uses the index")]
    InUse,
    /// It is damaged, or the disk is.
    #[error("The index failed: {0}")]
    Failed(String),
}
