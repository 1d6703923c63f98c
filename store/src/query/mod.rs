//! Questions to a store: what is in it, what has something in common, and where a result comes from.
//!
//! The answers come from the files. The index only spares reading records and tables that do not match, and where it
//! knows nothing, or something about another file, the file is read.

mod history;
mod lineage;
mod listing;
mod metric;
mod prompts;
mod records;
mod reindex;
mod summary;
#[cfg(test)]
mod tests;

pub use self::history::{Earlier, History};
pub use self::lineage::{Lineage, LineageEdge, LineageReach};
pub use self::listing::{BlobEntry, ListedArtifact};
pub use self::metric::{MetricCondition, MetricError};

/// What artifacts shall have in common; the default is true of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// The kind of the stage they come from.
    pub stage: Option<String>,
    /// A pipeline: some run of it computed or used them.
    pub pipeline: Option<String>,
    /// A tag that a run got which computed or used them.
    pub tag: Option<String>,
    /// What is true of the metrics of their stage.
    pub metrics: Vec<MetricCondition>,
    /// A prompt, or its identifier, that stands in the table.
    pub prompt: Option<String>,
}
