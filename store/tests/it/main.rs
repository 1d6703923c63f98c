//! The store as its users see it: what survives damage, death and crowds.

mod concurrent;
mod corruption;
mod crash;
mod exhausted;
mod export;
mod golden;
mod history;
mod model;
mod sample;
mod shards;
mod tables;
