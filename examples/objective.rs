//! Evaluates an objective on the tensors of a case, to be compared with another program's.
//!
//! `cargo run --release --example objective -- CASE_DIR OUT.safetensors` reads `case.json` and `inputs.safetensors` and
//! writes `loss` and one `grad_NAME` for each name in `gradients_of`, in f64. No network runs.

use std::path::PathBuf;

use burn::tensor::Device;
use mitune_diffusion::nn::weights::{SafetensorsFile, TensorSource as _, write_safetensors};
use mitune_diffusion::training::objectives::case::ObjectiveCase;

/// Longest description of a case that is read.
const MAX_CASE_BYTES: u64 = 1 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("expected the folder of a case")?);
    let output = PathBuf::from(arguments.next().ok_or("expected a file to write")?);
    let case = mitune_bounded_file::read(&folder.join("case.json"), MAX_CASE_BYTES)?;
    let case: ObjectiveCase = serde_json::from_slice(&case)?;
    let inputs = SafetensorsFile::open(&folder.join("inputs.safetensors"))?.read_all()?;
    write_safetensors(&output, &case.evaluate(&inputs, &Device::flex())?, None)?;
    Ok(())
}
