//! Tables computed item by item, by any number of processes, and put together from whatever was ever computed.

pub(crate) mod candidate_blocks;
mod completion;
pub(crate) mod filled_batches;
pub mod item_blocks;
mod joint_work;
mod open_shard;
pub mod producer;
pub(crate) mod prompt_labels;
pub(crate) mod row_reader;
