//! What trainings share: they run to their end through checkpoints and leave a loss curve.

mod loss_curve;
pub mod training_run;

pub use loss_curve::LossCurve;
