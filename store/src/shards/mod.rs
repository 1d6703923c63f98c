//! Shards: rows of a family that were computed together, and where the rows of its items are.

mod check;
mod items;
mod listing;
pub(crate) mod shard;

pub use self::items::{ItemRow, index_items};
pub use self::listing::ShardListing;
pub use self::shard::{ShardItem, ShardRecord};
