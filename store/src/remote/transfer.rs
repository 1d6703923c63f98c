//! What a push or a pull is told and tells.

use serde::Serialize;

/// How a transfer is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransferOptions {
    /// Only say what would go over.
    pub dry_run: bool,
    /// Pull records and lists only; the bytes come when they are needed.
    pub metadata_only: bool,
}

/// What a transfer did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TransferReport {
    /// Records that went over.
    pub records: u64,
    /// Blobs that went over.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub bytes: u64,
    /// Records that were there already.
    pub present: u64,
    /// Records taken although nobody known vouches for them.
    pub unvouched: u64,
    /// Results that a push could not send because something of them is damaged or gone here.
    pub incomplete: u64,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}
