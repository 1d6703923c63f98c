//! Planning and running pipelines against a store.
//!
//! The engine knows keys, artifacts and the order of stages. It never names a tensor: what a stage computes is the
//! stage's own business.

mod audit;
mod compute;
mod context;
mod cost;
mod error;
mod events;
mod execute;
mod explanation;
mod explanation_text;
mod external_digests;
mod ingredients;
mod interrupt;
mod left_stages;
mod observer;
mod pipeline_digest;
mod plan;
mod prepare;
mod progress_log;
mod ready_set;
mod result_check;
mod results;
mod rewind;
mod survey;
mod task;
mod turn;
mod waiting;
mod walk;

pub use audit::Audited;
pub use context::Engine;
pub use cost::CostEstimate;
pub use error::EngineError;
pub use execute::RunSummary;
pub use explanation::{Cause, Explanation};
pub use explanation_text::{change, shortened};
pub use external_digests::RememberedDigests;
pub use interrupt::Interrupt;
pub use observer::{Observer, Unobserved};
pub use plan::{Plan, PlanState, PlannedStage};
pub use results::{Outcome, StageResult};
