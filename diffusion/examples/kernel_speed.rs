//! Measures single operations at the sizes of Stable Diffusion 2.1-base and of the shipped model.
//!
//! `cargo run --release -p mitune-diffusion --example kernel_speed -- [NAME PART]..` prints the best of several runs of
//! each operation whose name contains a part; `MITUNE_CPU_LEVEL` and `RAYON_NUM_THREADS` hold it to a level and a
//! number of threads.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use mitune_diffusion::cpu_level::CpuLevel;
use mitune_diffusion::nn::kernels::{
    GroupNormOptions, Window, attention, conv2d, gated_gelu, group_norm, layer_norm, linear,
};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time that an operation is repeated for.
const ENOUGH: Duration = Duration::from_millis(300);

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Ok(level) = std::env::var("MITUNE_CPU_LEVEL") {
        level.parse::<CpuLevel>()?.hold_to()?;
    }
    let parts: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench { parts };
    println!(
        "{} with {} threads",
        CpuLevel::in_force(),
        rayon::current_num_threads()
    );
    for [rows, inputs, outputs] in [
        [8192, 320, 320],
        [8192, 320, 2560],
        [8192, 1280, 320],
        [512, 1280, 1280],
        [512, 1280, 10240],
        [154, 1024, 1280],
        [1024, 64, 64],
        [1024, 64, 512],
        [256, 96, 96],
    ] {
        bench.linear([rows, inputs, outputs]);
    }
    for (images, side, inputs, outputs) in [
        (2, 64, 320, 320),
        (2, 64, 960, 320),
        (2, 32, 640, 640),
        (2, 16, 1280, 1280),
        (2, 8, 1280, 1280),
        (1, 256, 256, 256),
        (1, 256, 128, 3),
        (16, 8, 64, 64),
        (16, 4, 96, 96),
    ] {
        bench.convolution([images, side, inputs, outputs]);
    }
    for sizes in [
        [2, 4096, 4096, 5, 64],
        [2, 4096, 77, 5, 64],
        [2, 1024, 1024, 10, 64],
        [2, 256, 256, 20, 64],
        [16, 64, 64, 4, 16],
        [16, 64, 16, 4, 16],
    ] {
        bench.attention(sizes);
    }
    for (images, side, channels) in [(2, 64, 320), (1, 256, 128), (16, 8, 64)] {
        bench.passes(images, side, channels);
    }
    Ok(())
}

struct Bench {
    parts: Vec<String>,
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = Tensor::<D>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
    Tensor::from_data(values.into_data(), device)
}

impl Bench {
    fn linear(&self, [rows, inputs, outputs]: [usize; 3]) {
        let name = format!("linear {rows} x {inputs} to {outputs}");
        let operations = 2.0 * (rows * inputs * outputs) as f64;
        self.both(&name, operations, 2.0, |device, tracked| {
            let x = random([rows, inputs], device);
            let weight = random([outputs, inputs], &Device::flex());
            let x = if tracked { x.require_grad() } else { x };
            move || linear(x.clone(), weight.clone(), None)
        });
    }

    fn convolution(&self, [images, side, inputs, outputs]: [usize; 4]) {
        let name = format!("conv {images} x {side} x {side}, {inputs} to {outputs}");
        let operations = 2.0 * (images * side * side * inputs * outputs * 9) as f64;
        self.both(&name, operations, 2.0, |device, tracked| {
            let x = random([images, side, side, inputs], device);
            let weight = random([outputs, 3, 3, inputs], &Device::flex()).permute([0, 3, 1, 2]);
            let bias = random([1, outputs], &Device::flex());
            let x = if tracked { x.require_grad() } else { x };
            let window = Window {
                stride: 1,
                before: 1,
                after: 1,
            };
            move || conv2d(x.clone(), weight.clone(), bias.clone(), window)
        });
    }

    fn attention(&self, [batch, tokens, context, heads, depth]: [usize; 5]) {
        let name = format!("attention {batch} x {tokens} to {context}, {heads} heads of {depth}");
        let operations = 4.0 * (batch * tokens * context * heads * depth) as f64;
        self.both(&name, operations, 3.5, |device, tracked| {
            let tensor = |tokens| {
                let x = random([batch, tokens, heads * depth], device);
                if tracked { x.require_grad() } else { x }
            };
            let [query, key, value] = [tokens, context, context].map(tensor);
            move || attention(query.clone(), key.clone(), value.clone(), heads)
        });
    }

    /// Operations that go over memory; an operation is a value.
    fn passes(&self, images: usize, side: usize, channels: usize) {
        let options = GroupNormOptions {
            groups: 16,
            epsilon: 1e-5,
            silu: true,
        };
        let values = (images * side * side * channels) as f64;
        let name = |what: &str| format!("{what} {images} x {side} x {side} x {channels}");
        self.both(&name("group norm"), values, 2.0, |device, tracked| {
            let x = random([images, side, side, channels], device);
            let x = if tracked { x.require_grad() } else { x };
            let weight = random([channels], &Device::flex());
            move || group_norm(x.clone(), weight.clone(), weight.clone(), options)
        });
        self.both(&name("layer norm"), values, 2.0, |device, tracked| {
            let x = random([images, side * side, channels], device);
            let x = if tracked { x.require_grad() } else { x };
            let weight = random([channels], &Device::flex());
            move || layer_norm(x.clone(), weight.clone(), weight.clone(), 1e-5)
        });
        self.both(&name("gated gelu"), values, 2.0, |device, tracked| {
            let x = random([images, side * side, 2 * channels], device);
            let x = if tracked { x.require_grad() } else { x };
            move || gated_gelu(x.clone())
        });
        self.both(&name("sum"), values, 2.0, |device, tracked| {
            let x = random([images, side, side, channels], device);
            let x = if tracked { x.require_grad() } else { x };
            let y = random([images, side, side, channels], device);
            move || x.clone() + y.clone()
        });
    }

    /// Prints an operation forward, and forward and backward, which takes `whole` times the operations.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    fn both<const D: usize, F: FnMut() -> Tensor<D>>(
        &self,
        name: &str,
        operations: f64,
        whole: f64,
        make: impl Fn(&Device, bool) -> F,
    ) {
        if !self.parts.is_empty() && !self.parts.iter().any(|part| name.contains(part.as_str())) {
            return;
        }
        let mut forward = make(&Device::flex(), false);
        let (alone, _) = best(|| drop(forward()));
        let mut forward = make(&Device::flex().autodiff(), true);
        let (training, _) = best(|| drop(forward().sum().backward()));
        let rate = |operations: f64, seconds: f64| operations / seconds / 1e9;
        println!(
            "{name:44} forward {:9.3} ms {:6.1} G/s, with backward {:9.3} ms {:6.1} G/s",
            alone * 1e3,
            rate(operations, alone),
            training * 1e3,
            rate(whole * operations, training),
        );
    }
}

/// The shortest time of a run in seconds, and how many there were.
fn best(mut run: impl FnMut()) -> (f64, usize) {
    run();
    let (start, mut shortest, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || start.elapsed() < ENOUGH {
        let start = Instant::now();
        run();
        shortest = shortest.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    (shortest, runs)
}
