//! The commands, one file each.

pub(crate) mod adapter;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod init_model;
pub(crate) mod judge;
pub(crate) mod key;
pub(crate) mod lineage;
pub(crate) mod pipeline_arguments;
pub(crate) mod plan;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod run_choice;
pub(crate) mod schema;
pub(crate) mod score;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod transfer;
