//! Times the sampling loop with the shipped model's denoiser, and without any.
//!
//! `cargo run --release -p mitune-diffusion --example sampler_speed [steps]`.

use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::denoiser::{Denoiser, DenoiserError, DenoiserInput, DenoiserOutput};
use mitune_diffusion::sampler::{Sampler, SamplerSettings};
use mitune_diffusion::scheduler::SchedulerConfig;
use mitune_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};

const CONFIG: &str = r#"{
    "sample_size": 8, "block_out_channels": [64, 96], "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 96, "attention_head_dim": 4, "norm_num_groups": 32
}"#;
const TOKENS: usize = 16;

struct Network(UNet2DConditionModel);

impl Denoiser for Network {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let latents = input.latents;
        let timesteps = Tensor::full([latents.dims()[0]], input.level.timestep, &latents.device());
        Ok(self
            .0
            .forward(latents.clone(), timesteps, input.conditioning)
            .into())
    }
}

struct Nothing;

impl Denoiser for Nothing {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        Ok(input.latents.clone().into())
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps = match std::env::args().nth(1) {
        Some(argument) => argument.parse()?,
        None => 30,
    };
    let device = Device::flex();
    let config: UNet2DConditionConfig = serde_json::from_str(CONFIG)?;
    let network = Network(UNet2DConditionModel::new(&config, &device));
    let settings = SamplerSettings {
        steps,
        ..SamplerSettings::default()
    };
    let sampler = Sampler::new(&SchedulerConfig::stable_diffusion(), &settings)?;
    let normal = Distribution::Normal(0.0, 1.0);
    let random = || Conditioning::from(Tensor::<3>::random([1, TOKENS, 96], normal, &device));
    let conditional = random();
    let unconditional = random();
    println!("batch  network ms/step  loop ms/step  candidates/s");
    for batch in [1_u32, 4, 8, 16, 32] {
        let indices: Vec<u32> = (0..batch).collect();
        let time = |denoiser: &dyn Denoiser| {
            let start = Instant::now();
            let result = sampler.generate_candidates(
                denoiser,
                &conditional,
                &unconditional,
                &[0; 32],
                &indices,
                [4, 8, 8],
                &mut |_| ControlFlow::Continue(()),
            );
            result.map(|_| start.elapsed().as_secs_f64())
        };
        time(&network)?;
        let (whole, bare) = (time(&network)?, time(&Nothing)?);
        let per_step = 1e3 / steps as f64;
        let rate = f64::from(batch) / whole;
        println!(
            "{batch:5}  {:15.2}  {:12.3}  {rate:12.2}",
            whole * per_step,
            bare * per_step
        );
    }
    Ok(())
}
