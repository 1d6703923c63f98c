//! What can be done with adapter files outside a pipeline: look into them, convert, merge and compare them.

mod base_weights;
mod conversion;
mod description;
mod difference;
mod mean;
mod merged_model;
mod new_path;

pub(crate) use base_weights::BaseWeights;
pub use conversion::{ConvertedForm, convert};
pub use description::{AdapterDescription, LayerDescription, describe};
pub use difference::difference;
pub use mean::{MeanKind, mean};
pub(crate) use mean::{mean_of, mean_of_components};
pub use merged_model::{MergedModel, merge_into_model};
pub(crate) use merged_model::{copy_without_weights, fold_into_model};
pub use mitune_diffusion::adapter::{AdapterDifference, AdapterMethod, LayerDifference};
