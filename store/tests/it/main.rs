//! The store as its users see it: what survives damage, death and crowds.

#![allow(
    clippy::disallowed_methods,
    reason = "children report to their parent on standard output"
)]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(
    clippy::print_stdout,
    reason = "children report to the test that started them"
)]

mod aging;
mod batch;
mod clock;
mod collect;
mod collect_beside_writers;
mod collect_links;
mod collect_model;
mod collect_roots;
mod collect_scale;
mod concurrent;
mod corruption;
mod crash;
mod exhausted;
mod export;
mod golden;
mod group;
mod history;
mod merged;
mod model;
mod obstacles;
mod remotes;
mod run_members;
mod sample;
mod shards;
mod tables;
mod verify;
