//! The stage `judge`: what a judge of images says of finished candidates and their prompts.

mod candidates;
mod config;
mod rows;
mod run;
#[cfg(test)]
mod tests;

pub use config::JudgeConfig;
