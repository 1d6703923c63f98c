//! The stage `stylise`: images in another style, and pairs in which the styled image wins.
//!
//! Styled sets of papers (a painter's, sketches, winter) cannot be had, and a filter has the same part as they: it keeps
//! what an image shows, so that prompts go on to fit, and gives pairs of the same schema. An image that was ever styled
//! is not styled again.

mod config;
mod rows;
mod run;
mod sources;
mod stage;
mod style;
mod styled_latents;
#[cfg(test)]
mod tests;
mod written_style;

pub use config::StyliseConfig;
pub use style::{BlurAndSnowSettings, EdgeSketchSettings, PaletteSettings, Style};
