//! Tables: Parquet files, and tables whose rows live in shard blobs.
//!
//! What a table means is its fields and its rows in order. The content digest is taken over those, so that it stays
//! the same however rows are cut into batches, row groups or shards, and whatever version writes the file.

mod error;
mod manifest;
mod outline;
mod parquet_file;
mod parts;
mod reader;
mod row_digest;
mod row_groups;
mod schema;
mod shape;
mod window;
mod writer;

pub use error::TableError;
pub use manifest::Part;
pub use reader::TableReader;
pub use row_digest::row_digests;
pub use shape::Reach;

pub(crate) use outline::read_outline;
pub(crate) use row_digest::content;
pub(crate) use writer::write_parquet;
