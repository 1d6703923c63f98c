//! forward scores.
