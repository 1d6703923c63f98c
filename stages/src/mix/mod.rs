//! The stage `mix`: several selections as one set, each with a stated share of it.

mod config;
mod drawn_rows;
mod shares;
mod stage;
#[cfg(test)]
mod tests;

pub use config::MixConfig;
