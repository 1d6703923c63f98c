//! What trainings share: they run to their end through checkpoints and leave a loss curve.

pub(crate) mod adapter_training;
mod loss_curve;
mod objective_steps;
pub(crate) mod resumable;
pub mod training_run;

pub use loss_curve::LossCurve;
