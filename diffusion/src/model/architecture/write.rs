//! Writes a model folder with random weights, tensor by tensor.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Value, json};

use super::super::directory::{ModelDirectory, UNET_NAMES};
use super::super::draft::{Empty, write_whole};
use super::super::write::{component, create, write_json};
use super::super::{ModelError, index};
use super::{Architecture, text_model, tokenizer, understood};
use crate::clip::{ClipTextConfig, TEXT_MODEL_NAMES};
use crate::nn::weights::{Dtype, NameTable, SeededTensors, stream_safetensors};
use crate::unet::UNet2DConditionModel;
use crate::vae::{AUTOENCODER_NAMES, AutoencoderKL};

/// File of diffusers' weights.
const DIFFUSERS: &str = "diffusion_pytorch_model.safetensors";

impl Architecture {
    /// Writes a whole model with [seeded](SeededTensors) weights of an element type into a folder
    /// that is not there or empty, and opens it.
    ///
    /// The folder appears complete or not at all. Memory stays far below the model's size: tensors
    /// are made while they are written. There is no vocabulary of CLIP here, so the tokenizers know
    /// bytes only, and a `README.md` says so.
    ///
    /// # Errors
    /// When the folder holds something or cannot be written, or `dtype` is no float type.
    pub fn write(self, path: &Path, seed: u64, dtype: Dtype) -> Result<ModelDirectory, ModelError> {
        write_whole(path, Empty::Allowed, |folder| {
            self.write_into(folder, seed, dtype)
        })?;
        ModelDirectory::open(path)
    }

    fn write_into(self, folder: &Path, seed: u64, dtype: Dtype) -> Result<(), ModelError> {
        let published = self.published();
        let device = Device::flex();
        create(folder)?;
        let scheduler = published.scheduler["_class_name"].as_str().unwrap_or_default();
        let second = (published.texts.len() > 1).then_some(true);
        write_json(
            &folder.join("model_index.json"),
            &index::describe(scheduler, "CLIPTextModel", second),
        )?;
        component(folder, "scheduler", "scheduler_config.json", &published.scheduler)?;
        let unet = UNet2DConditionModel::new(&self.unet_config()?, &device);
        let unet_config = self.unet_config()?;
        let tensors = SeededTensors::new(seed, dtype, &unet, &UNET_NAMES)
            .stored_as(|name, shape| unet_config.stored_shape(name, shape));
        write_component(folder, "unet", &published.unet, DIFFUSERS, &tensors)?;
        let vae =
            AutoencoderKL::new(&self.vae_config()?, &device).map_err(|source| ModelError::Autoencoder {
                path: folder.join("vae/config.json"),
                source,
            })?;
        let tensors = seeded(seed, dtype, &vae, &AUTOENCODER_NAMES);
        write_component(folder, "vae", &published.vae, DIFFUSERS, &tensors)?;
        let folders = [("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")];
        for (text, (encoder, tokens)) in published.texts.into_iter().zip(folders) {
            let config: ClipTextConfig = understood(encoder, text.config.clone())?;
            let tensors = seeded(seed, dtype, &text_model(&config, &device)?, &TEXT_MODEL_NAMES);
            write_component(folder, encoder, &text.config, "model.safetensors", &tensors)?;
            tokenizer::write(&folder.join(tokens), config.vocab_size, text.padding)?;
        }
        self.write_readme(folder, seed, dtype)
    }

    fn write_readme(self, folder: &Path, seed: u64, dtype: Dtype) -> Result<(), ModelError> {
        let path = folder.join("README.md");
        let text = format!(
            "# {self} with random weights\n\n\
             Made by `mitune init-model --arch {self} --random-weights --seed {seed} --dtype {}`. It has the shapes, \
             the speed and the memory of the published model, and draws nothing but noise.\n\n\
             The tokenizers are not CLIP's, whose vocabulary is not part of this program: each byte is a token, \
             and the start and end token have the ids that the text encoder expects. Prompts therefore have more \
             tokens than in the published model and are cut off sooner.\n",
            format!("{dtype:?}").to_lowercase()
        );
        std::fs::write(&path, text).map_err(|source| ModelError::Write { path, source })
    }
}

fn seeded<M: Module>(seed: u64, dtype: Dtype, module: &M, names: &NameTable<'_>) -> SeededTensors {
    SeededTensors::new(seed, dtype, module, names)
}

fn write_component(
    folder: &Path,
    name: &'static str,
    config: &Value,
    file: &str,
    tensors: &SeededTensors,
) -> Result<(), ModelError> {
    let mut config = config.clone();
    config["_name_or_path"] = json!("random weights");
    component(folder, name, "config.json", &config)?;
    stream_safetensors(&folder.join(name).join(file), tensors).map_err(|source| ModelError::Weights {
        component: name,
        source,
    })
}
