//! mitune
pub mod document;
pub mod suggestion;
