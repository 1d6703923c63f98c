//! What there is to know of pipelines, runs and results, as values that can be serialised.
//!
//! Nothing here prints or knows a page: commands show these values as text or as JSON, `pages` as HTML.

pub(crate) mod audit;
pub(crate) mod diff;
mod key_change;
pub(crate) mod lineage;
pub(crate) mod plan;
pub(crate) mod report;
mod stage_status;
pub(crate) mod status;
pub(crate) mod stored_result;
