//! Images as data: tables, archives and folders of images with their prompts, or of pairs of which one is preferred.
//!
//! A reader hands over one row after the other ([`rows::SourceRow`]) and holds one record batch of bounded bytes, or one
//! image, at a time. The image of a row is known by its place ([`place::ImagePlace`]), from which it is read again later;
//! one of the shapes world is rendered again.
//! The readers share clean text, bounds and formats with [`prompts`](super::prompts).

mod coco;
mod coco_file;
mod diffusiondb;
mod diffusiondb_part;
pub(crate) mod error;
pub(crate) mod files;
mod parquet_images;
mod parquet_table;
mod pick_a_pic;
pub(crate) mod place;
pub(crate) mod reader;
pub(crate) mod rows;
mod shapes_images;
pub(crate) mod source;
mod table;
#[cfg(test)]
mod tests;
mod text_table;
pub(crate) mod zip_archive;

pub use coco::{Captions, CocoSource};
pub use shapes_images::ShapesImagesSource;
pub use source::ImageSource;
