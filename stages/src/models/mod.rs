//! Models as stages and commands run them: where they come from, how they are loaded, their latents and images.

pub(crate) mod batch_size;
pub(crate) mod candidate_images;
pub(crate) mod identified_model;
pub(crate) mod latent_decoder;
pub mod latent_shape;
pub(crate) mod loaded_model;
pub mod model_source;
pub mod stored_latents;
