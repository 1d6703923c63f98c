//! Writes what every part of a model gives for inputs that follow from a seed, to be compared.
//!
//! `cargo run --release -p mitune-diffusion --example component_outputs -- DIR FILE [f32|f16|bf16]
//! [LATENT SIDE]`; `tools/parity/component_outputs.py DIR FILE` does the same with diffusers and
//! prints how far apart the two are. Inputs are those of `tools/goldens/seeded.py`.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::conditioning::{AddedConditioning, Conditioning};
use mitune_diffusion::denoiser::{Denoiser as _, NoiseLevel};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::nn::weights::{HostTensor, TensorMap, seeded_input_values, write_safetensors};

const PROMPT: &str = "a red circle and a blue square";
const SEED: u64 = 50;
const TOKENS: usize = 77;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("expected a model folder")?);
    let file = PathBuf::from(arguments.next().ok_or("expected a file to write")?);
    let dtype = match arguments.next().as_deref() {
        None | Some("f32") => FloatDType::F32,
        Some("f16") => FloatDType::F16,
        Some("bf16") => FloatDType::BF16,
        Some(other) => return Err(format!("`{other}` is no element type").into()),
    };
    let side: usize = arguments.next().map_or(Ok(64), |side| side.parse())?;
    let directory = ModelDirectory::open(&folder)?;
    let device = Device::flex();
    let mut found = TensorMap::new();
    // One after the other, so that memory is that of the largest.
    let start = Instant::now();
    {
        let mut text = vec![directory.load_text_encoder(&device, dtype)?];
        let mut tokenizers = vec![directory.tokenizer().clone()];
        if let Some(second) = directory.load_second_text_encoder(&device, dtype)? {
            text.push(second.text_encoder);
            tokenizers.push(second.tokenizer);
        }
        for (index, (encoder, tokenizer)) in text.iter().zip(&tokenizers).enumerate() {
            let ids: Vec<i32> = tokenizer
                .encode(PROMPT)?
                .ids
                .iter()
                .map(|id| *id as i32)
                .collect();
            let ids = TensorData::new(ids, [1, TOKENS]);
            let ids = Tensor::from_data(ids, (&device, DType::I32));
            let output = encoder.forward(ids);
            keep(&mut found, &format!("text{index}.last"), output.last_hidden_state)?;
            keep(
                &mut found,
                &format!("text{index}.penultimate"),
                output.penultimate,
            )?;
        }
    }
    say("text encoders", start);
    let start = Instant::now();
    {
        let unet = directory.load_unet(&device, dtype)?;
        say("denoiser loaded", start);
        let start = Instant::now();
        let config = directory.unet_config();
        let width = config.cross_attention_dim[0];
        let added = config.addition.map(|addition| {
            let pixels = (side * directory.vae_config().downscale()) as f32;
            AddedConditioning {
                text_embeds: input("text_embeds", [1, addition.text_features()], &device),
                time_ids: Some(Tensor::from_data(
                    [[pixels, pixels, 0.0, 0.0, pixels, pixels]],
                    &device,
                )),
            }
        });
        let conditioning = Conditioning {
            context: input("context", [1, TOKENS, width], &device),
            value_context: None,
            key_contexts: None,
            added,
        };
        let latents = input("latents", [1, config.in_channels, side, side], &device);
        // The network reads the timestep alone.
        let level = NoiseLevel::variance_preserving(500.5, 0.5);
        let output = unet.predict(&latents, level, &conditioning)?;
        keep(&mut found, "unet", output)?;
        say("denoiser", start);
    }
    let start = Instant::now();
    {
        let vae = directory.load_vae(&device, dtype)?;
        let config = directory.vae_config();
        let small = side / 2;
        let latents = input(
            "small latents",
            [1, config.latent_channels, small, small],
            &device,
        );
        keep(&mut found, "decoded", vae.decode(latents))?;
        let pixels = small * config.downscale();
        let image = input("image", [1, config.in_channels, pixels, pixels], &device);
        keep(&mut found, "mean", vae.encode(image).0)?;
    }
    say("autoencoder", start);
    write_safetensors(&file, &found, None)?;
    Ok(())
}

fn input<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = seeded_input_values(SEED, name, shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn keep<const D: usize>(
    found: &mut TensorMap,
    name: &str,
    tensor: Tensor<D>,
) -> Result<(), Box<dyn std::error::Error>> {
    let shape = tensor.dims().to_vec();
    let values: Vec<f32> = tensor
        .cast(FloatDType::F32)
        .try_into_vec_as()
        .map_err(|error| error.to_string())?;
    found.insert(name.to_owned(), HostTensor::from_f32(&values, shape));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the times are what is watched")]
fn say(what: &str, start: Instant) {
    println!("{what} s {:.2}", start.elapsed().as_secs_f64());
}
