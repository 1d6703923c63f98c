//! Pipelines: from the YAML file to connected stages in an order in which they can run.
//!
//! [`spec`] is the file as written, [`unroll`] copies the rounds, [`connect`] follows the references, [`dag`] orders
//! the stages. [`read()`] does all of it.

mod alternatives;
mod arm;
mod connect;
mod dag;
mod error;
mod first_round;
mod for_each;
mod kinds;
mod limits;
mod read;
mod schema;
mod spec;
mod targets;
mod tell_inputs;
mod unroll;
mod vars;

pub use arm::{Arm, StageName};
pub use connect::{ConnectedPort, PipelineStage, Source};
pub use dag::topological_order;
pub use error::PipelineError;
pub(crate) use error::position;
pub use kinds::{BuildError, BuiltinKinds, StageKinds};
pub use read::{Pipeline, parse, read};
pub use schema::schema;
pub use spec::{PipelineSpec, ReportSpec, RoundsSpec};
pub use unroll::Block;
