//! mutual information.
