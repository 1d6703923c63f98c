//! Measures alignment on the images of the shapes world, and the power of scores to find aligned images.
//!
//! Pure functions from rows to rows and summaries; reading and writing tables is the stage's work.

pub mod agreement;
pub mod comparison;
pub mod power;
pub mod rows;
pub mod scores;
pub mod summary;
pub mod table;
pub mod timesteps;
