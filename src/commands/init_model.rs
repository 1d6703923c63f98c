//! `mitune init-model`

use std::path::PathBuf;

use clap::Args;
use mitune_stages::model::{Architecture, ModelError, WeightsDtype};
use serde_json::json;

use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{bytes, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct InitModelArguments {
    /// Architecture: sd15, sd21-base, sd21, sdxl, or tiny-sd15, tiny-sd21, tiny-sdxl
    #[arg(long, value_name = "NAME")]
    arch: Architecture,

    /// Folder to write; it may exist if it is empty
    #[arg(long, value_name = "DIR")]
    random_weights: PathBuf,

    /// Seed of the weights
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Number format of the weights
    #[arg(long, default_value = "f32", value_parser = ["f32", "f16", "bf16"])]
    dtype: String,
}

/// Writes a model that has everything of a published one but what it learnt.
pub(crate) fn run(arguments: &InitModelArguments, session: &Session<'_>) -> Result<(), Failure> {
    let dtype = match arguments.dtype.as_str() {
        "f16" => WeightsDtype::F16,
        "bf16" => WeightsDtype::BF16,
        _ => WeightsDtype::F32,
    };
    let folder = &arguments.random_weights;
    let model = arguments
        .arch
        .write(folder, arguments.seed, dtype)
        .map_err(|error| match error {
            ModelError::Exists { .. } => {
                Failure::usage(error).with_hint("Give a folder that is new or empty")
            }
            error => Failure::failed(error),
        })?;
    let parameters = model.parameter_count();
    let size = parameters * (dtype.bitsize() / 8) as u64;
    if session.json {
        return print_json(&json!({
            "folder": folder, "architecture": arguments.arch.name(), "parameters": parameters, "bytes": size,
        }));
    }
    line(format!(
        "Wrote `{}`: {} with {parameters} random parameters, {}",
        folder.display(),
        arguments.arch,
        bytes(size)
    ))
}
