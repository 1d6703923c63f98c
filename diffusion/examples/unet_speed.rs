//! Times the denoiser of the shipped model: forward, and forward with backward.
//!
//! `cargo run --release -p mitune-diffusion --example unet_speed [repetitions]`; the same in
//! PyTorch is `tools/unet_speed.py`.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use mitune_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};

const CONFIG: &str = r#"{
    "sample_size": 8, "block_out_channels": [64, 96], "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 96, "attention_head_dim": 4, "norm_num_groups": 32
}"#;
const BATCH: usize = 64;
const TOKENS: usize = 16;

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repetitions = match std::env::args().nth(1) {
        Some(argument) => argument.parse()?,
        None => 10,
    };
    let config: UNet2DConditionConfig = serde_json::from_str(CONFIG)?;
    let plain = Device::flex();
    let tracked = Device::flex().autodiff();
    let frozen = UNet2DConditionModel::new(&config, &plain);
    println!("parameters {}", frozen.num_params());
    let forward = median(repetitions, || {
        run(&frozen, &plain).into_data();
    });
    println!("forward ms {:.1}", forward * 1e3);
    let trained = UNet2DConditionModel::new(&config, &tracked);
    let both = median(repetitions, || {
        run(&trained, &tracked).square().mean().backward();
    });
    println!("forward and backward ms {:.1}", both * 1e3);
    Ok(())
}

fn run(model: &UNet2DConditionModel, device: &Device) -> Tensor<4> {
    let normal = Distribution::Normal(0.0, 1.0);
    model.forward(
        Tensor::random([BATCH, 4, 8, 8], normal, device),
        Tensor::random([BATCH], Distribution::Uniform(0.0, 1000.0), device),
        Tensor::random([BATCH, TOKENS, 96], normal, device),
    )
}

/// Seconds of one call, the median of some after two that warm up.
fn median(repetitions: usize, mut call: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..repetitions + 2)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64()
        })
        .skip(2)
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
