//! Reads, checks and writes weights in the safetensors layout that diffusers uses, and reads those in PyTorch's files.
//!
//! A module's parameter paths are the tensor names in a file, up to a small [`NameTable`].
//! Loading is strict: a missing, unused, misshapen or non-finite tensor is an error that names it,
//! because a model that is quietly half loaded still draws pictures.

mod bytes;
mod channels_last;
mod digest;
mod element;
mod error;
mod file;
#[cfg(test)]
mod file_tests;
mod folder;
#[cfg(test)]
pub(crate) mod golden;
mod header;
mod host_tensor;
mod load;
mod load_problem;
mod names;
mod save;
mod scattered_digest;
mod seeded;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod torch_file;
mod transfer;

pub(crate) use bytes::SafetensorsBytes;
pub use digest::{DigestedTensors, digest_tensors};
pub use error::WeightsError;
pub use file::SafetensorsFile;
pub use folder::WeightsFolder;
pub use header::{MAX_HEADER_BYTES, TensorEntry};
pub use host_tensor::HostTensor;
pub use load::load_module;
pub use load_problem::LoadProblem;
pub use names::NameTable;
pub use safetensors::Dtype;
pub use save::{encode_safetensors, module_tensors, parameter_shapes, write_safetensors};
#[cfg(test)]
pub(crate) use seeded::seeded_input;
pub use seeded::{SeededTensors, seeded_input_values, seeded_values};
pub use source::{PartReader, TensorMap, TensorSource};
pub use stream::stream_safetensors;
pub use torch_file::{TorchFile, TorchFileError};
