//! The tables that stages exchange: their columns, and what is read out of them.

pub(crate) mod candidate_index;
pub mod columns;
pub mod contrasts;
pub mod features;
pub(crate) mod image_rows;
pub mod latent_rows;
pub(crate) mod matching;
pub mod pairs;
pub mod schema;
pub(crate) mod score_column_error;
pub(crate) mod score_columns;
pub(crate) mod score_traces;
pub mod weights;
