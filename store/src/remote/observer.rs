//! Who watches a transfer.

/// Is told how a transfer goes; calls come from several threads.
pub trait TransferObserver: Sync {
    /// So much is to be transferred.
    fn planned(&self, objects: u64, bytes: u64) {
        let _ = (objects, bytes);
    }

    /// Bytes of a blob went over.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A file is over.
    fn object_done(&self) {}

    /// Something was left out.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl TransferObserver for Unwatched {}
