//! mitune aligns text-to-image diffusion models with their prompts, as a cached and resumable pipeline.
//!
//! The crate is the program `mitune`: [`document`] reads YAML with positions, [`pipeline`] turns it into connected
//! stages, [`engine`] plans and runs them against a store, [`commands`] are what the user types, [`inspect`] is what
//! there is to know of pipelines and runs, and [`pages`] shows it as HTML. Stages themselves are in `mitune-stages`, the
//! store in `mitune-store`.

mod aws_environment;
mod cli;
mod commands;
mod device_hint;
pub mod document;
pub mod engine;
mod environment;
mod failure;
mod file_size_limit;
mod file_system_hint;
mod global_options;
mod inspect;
mod pages;
mod panic_report;
pub mod pipeline;
mod program;
mod report_decoder;
mod report_file;
mod session;
mod sharing;
mod store_bench;
mod ui;
mod user_folders;

pub use crate::program::program;
pub use mitune_stages::suggestion;
