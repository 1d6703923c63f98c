//! The shipped world of coloured shapes, whose images can be read exactly.
//!
//! `world` names what exists, `scene` draws where things stand, `render` turns a scene into pixels and `reader`
//! turns pixels back into content. `caption` describes images the way noisy captions do, `data` is the endless
//! seeded training set, and `alignment` compares what was read with what was asked for.

pub mod alignment;
pub mod caption;
pub mod data;
pub mod mixture;
pub mod reader;
pub mod reader_check;
pub mod render;
pub mod scene;
mod segment;
mod silhouette;
pub mod split;
pub mod world;
