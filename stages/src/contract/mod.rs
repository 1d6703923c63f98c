//! The contract between the engine and a stage.
//!
//! The engine knows a stage only by what is here: what determines its result, what it reads, what it yields, and how
//! to run it. A stage knows nothing of pipelines, rounds, runs or terminals. Whatever all kinds of stages obey - the
//! ranges of their numbers, what they need at the very least - is here too, and nothing here knows of a kind.

pub(crate) mod arm_names;
mod content_check;
pub(crate) mod demand;
mod dtype;
mod external_digests;
mod key_ingredients;
mod known_inputs;
mod lazy_device;
pub mod reference;
pub(crate) mod setting_defaults;
pub mod setting_limits;
mod stage;
mod stage_config;
mod stage_context;
mod stage_error;
mod stage_ports;

pub use content_check::{ContentError, ExpectedTable};
pub use dtype::Dtype;
pub use external_digests::{Digested, ExternalDigests};
pub use key_ingredients::{ItemFamily, KeyIngredients};
pub use known_inputs::{KnownInput, KnownInputs};
pub use lazy_device::LazyDevice;
pub use mitune_store::FileIdentity;
pub use stage::{Stage, StageOutput};
pub use stage_config::{StageConfig, StageDefaults, keyed_config};
pub use stage_context::{Progress, Silent, StageContext, Work};
pub use stage_error::StageError;
pub use stage_ports::{ADAPTER_PORT, Arity, Content, InputPort, MODEL_PORT, OutputPort};
