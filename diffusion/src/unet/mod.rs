//! unet.
