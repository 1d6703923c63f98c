//! clip.
