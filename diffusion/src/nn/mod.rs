//! What the networks are made of: layers, the kernels they run on, and strict loading of their weights.
//!
//! Every network of this crate is built from here - the denoiser, the autoencoder, the text encoders, and whatever
//! judges images - so nothing here knows any of them, nor the files of adapters. A layer has a place for a low-rank
//! adapter because its forward pass goes through it; which layers of a model adapters reach is said beside the model.

pub mod compute_threads;
pub mod kernels;
pub(crate) mod layer_operations;
pub mod layers;
pub mod weights;
