//! The stage `policy_gradient`: an adapter trained by rewards of what it generates, with DPOK or DDPO.
//!
//! Each iteration makes rollouts with the network as it is, lets a judge reward their images, and improves the network
//! on the steps of the rollouts.

mod config;
mod ddpo;
mod dpok;
mod iterations;
mod learner;
mod objective;
mod replay_buffer;
mod reward_history;
mod reward_judge;
mod rollout_prompts;
mod run;
mod sampling;
mod stage;
#[cfg(test)]
mod tests;
mod transition;

pub use config::{PolicyGradientConfig, RolloutConfig};
pub use objective::PolicyObjective;
