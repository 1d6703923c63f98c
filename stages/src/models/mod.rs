//! Models as stages and commands run them: where they come from, how they are loaded, their latents and images.

pub(crate) mod batch_size;
pub(crate) mod candidate_images;
pub(crate) mod changed_model;
pub(crate) mod identified_model;
pub(crate) mod image_table;
pub(crate) mod latent_decoder;
pub mod latent_shape;
pub(crate) mod loaded_model;
pub(crate) mod model_snapshot;
pub mod model_source;
pub(crate) mod stored_folder;
pub mod stored_latents;
