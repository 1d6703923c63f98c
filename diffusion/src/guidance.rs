//! guidance.
