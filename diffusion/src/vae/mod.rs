//! vae.
