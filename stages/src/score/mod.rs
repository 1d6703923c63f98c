//! The stage `score`: further scores of finished candidates, under noise drawn on their latents.

mod config;
mod latents;
mod rows;
mod run;

pub use config::ScoreConfig;
