//! Tests of the program and its engine.
//!
//! Most use stages made for testing, see [`fake`], so that they say something about the engine alone and take no time.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod adapter_command;
mod adapter_images;
mod adapter_merging;
mod adapter_place;
mod bad_input;
mod cli;
mod collection;
mod cpu_level;
#[cfg(feature = "wgpu")]
mod devices;
mod diff_and_lineage;
mod direct_commands;
mod documentation;
mod fake;
mod golden_stores;
mod huge_settings;
mod index;
mod init_model;
mod interruption;
mod invalid_specs;
mod joining;
mod judge_command;
mod judged_pipelines;
mod keys;
mod lost_files;
mod markdown;
mod mishaps;
mod one_run;
mod output_places;
mod program;
mod readme;
mod references;
mod remote_faults;
mod report_freshness;
mod report_images;
mod schema;
mod shapes_pipeline;
mod sharing;
mod shipped_pipelines;
mod small_pipeline;
mod spreading;
mod terminal;
#[path = "../../stages/src/testing/trial_clip.rs"]
mod trial_clip;
#[path = "../../stages/src/testing/trial_model.rs"]
mod trial_model;
mod workplace;
