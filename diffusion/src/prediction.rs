//! prediction.
