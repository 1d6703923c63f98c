//! What the papers minimize, one file per objective: pure functions of predictions, targets, rewards and features.
//!
//! No network runs inside a loss, so that it can be compared with other programs number by number, in f64 too. Those
//! that need no more than latents in pairs or with weights, or steps of rollouts, are an [`Objective`](super::Objective)
//! besides. Errors are means over the elements of an item, as in the code that came with the papers; the papers write
//! sums, which only changes what a `beta` means. Where paper and code differ in more than a factor, [`Formulation`] tells
//! them apart.

pub mod case;
mod compared_items;
mod ddpo;
mod diffusion_dpo;
mod diffusion_rpo;
mod dpok;
mod f_divergence_dpo;
mod formulation;
mod gaussian_transition;
mod gors;
mod hard_negatives;
mod item_errors;
mod policy_objective;
mod preference;
mod supervised;
#[cfg(test)]
mod tests;

pub use compared_items::ComparedItems;
pub use ddpo::Ddpo;
pub use diffusion_dpo::DiffusionDpo;
pub use diffusion_rpo::{ContrastWeight, DiffusionRpo, contrast_weights};
pub use dpok::{Dpok, PolicyBatch, value_loss};
pub use f_divergence_dpo::{Divergence, FDivergenceDpo};
pub use formulation::Formulation;
pub use gaussian_transition::{GaussianTransition, log_probabilities};
pub use gors::{Gors, RewardThresholds, gors_loss};
pub use hard_negatives::{HardNegatives, NegativeError};
pub use item_errors::item_errors;
pub use policy_objective::{DdpoPolicy, DpokPolicy, TransitionBatch};
pub use preference::preference_loss;
pub use supervised::{SupervisedFineTuning, supervised_loss};
