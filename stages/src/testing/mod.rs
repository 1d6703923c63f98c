//! What tests of stages share, and tests that go through several kinds of stages.

mod changed_inputs;
mod keyed_settings;
mod model_kinds;
mod renamed_prompts;
mod round_trial;
pub(crate) mod trial;
pub(crate) mod trial_clip;
pub(crate) mod trial_dino;
pub(crate) mod trial_model;
pub(crate) mod trial_tables;
