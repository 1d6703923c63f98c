//! Times loading a model folder against reading its bytes, and measures the memory it takes.
//!
//! `cargo run --release -p mitune-diffusion --example load_model -- DIR [f32|f16|bf16]`. Bytes are
//! read first, so that everything comes from the page cache. On one thread, reading is timed through
//! one buffer and into memory that is kept; the latter pays for the memory as loading does.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::model::ModelDirectory;

/// What the other process is told.
const READ_ONLY: &str = "--read-only";

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != READ_ONLY);
    let folder = PathBuf::from(arguments.next().ok_or("expected a model folder")?);
    let (dtype, width) = match arguments.next().as_deref() {
        None | Some("f32") => (FloatDType::F32, 4),
        Some("f16") => (FloatDType::F16, 2),
        Some("bf16") => (FloatDType::BF16, 2),
        Some(other) => return Err(format!("`{other}` is no element type").into()),
    };
    let directory = ModelDirectory::open(&folder)?;
    let files = weight_files(&folder)?;
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    println!("bytes {bytes} in {} files", files.len());
    let rate = |seconds: f64| bytes as f64 / seconds / 1e9;
    let hot = best_of_three(|| read_through(&files))?;
    println!("read through one buffer s {hot:.3}, {:.2} GB/s", rate(hot));
    // In a process of its own, whose peak is not this one's.
    let read_only = std::env::args().any(|argument| argument == READ_ONLY);
    let kept = match read_only {
        true => best_of_three(|| read_and_keep(&files))?,
        false => in_another_process()?,
    };
    println!("read into memory s {kept:.3}, {:.2} GB/s", rate(kept));
    if read_only {
        return Ok(());
    }
    let before = resident("VmRSS");
    let (mut load, mut digested) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        let start = Instant::now();
        let model = directory.load(&Device::flex(), dtype)?;
        load = load.min(start.elapsed().as_secs_f64());
        drop(model);
        let start = Instant::now();
        let model = directory.load_digested(&Device::flex(), dtype)?;
        digested = digested.min(start.elapsed().as_secs_f64());
        drop(model);
    }
    println!("load s {load:.3}, {:.2} times reading into memory", load / kept);
    println!(
        "load and hash s {digested:.3}, {:.2} times loading",
        digested / load
    );
    if let (Some(before), Some(peak)) = (before, resident("VmHWM")) {
        let weights = directory.parameter_count() * width;
        let taken = peak.saturating_sub(before) as f64;
        println!(
            "peak resident MiB {:.0} over {:.0} before; weights MiB {:.0}, {:.1} % more",
            peak as f64 / 1048576.0,
            before as f64 / 1048576.0,
            weights as f64 / 1048576.0,
            (taken / weights as f64 - 1.0) * 100.0
        );
    }
    Ok(())
}

fn weight_files(folder: &Path) -> Result<Vec<(PathBuf, u64)>, std::io::Error> {
    let mut files = Vec::new();
    for part in fs::read_dir(folder)? {
        let part = part?.path();
        if !part.is_dir() {
            continue;
        }
        for file in fs::read_dir(&part)? {
            let file = file?;
            if file.path().extension().is_some_and(|end| end == "safetensors") {
                files.push((file.path(), file.metadata()?.len()));
            }
        }
    }
    Ok(files)
}

fn best_of_three(run: impl Fn() -> Result<f64, std::io::Error>) -> Result<f64, std::io::Error> {
    (0..3).try_fold(f64::INFINITY, |best, _| run().map(|seconds| best.min(seconds)))
}

/// Seconds of reading every byte into one buffer of 1 MiB, which stays in the cache.
fn read_through(files: &[(PathBuf, u64)]) -> Result<f64, std::io::Error> {
    let start = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    for (path, _) in files {
        let mut file = fs::File::open(path)?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds of reading every file into memory of its own, as a program must that uses the bytes.
fn read_and_keep(files: &[(PathBuf, u64)]) -> Result<f64, std::io::Error> {
    let start = Instant::now();
    let kept: Vec<Vec<u8>> = files
        .iter()
        .map(|(path, _)| fs::read(path))
        .collect::<Result<_, _>>()?;
    let seconds = start.elapsed().as_secs_f64();
    drop(kept);
    Ok(seconds)
}

fn in_another_process() -> Result<f64, Box<dyn std::error::Error>> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .arg(READ_ONLY)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("read into memory s "))
        .ok_or("the other process said nothing")?;
    Ok(line.split(',').next().unwrap_or_default().parse()?)
}

/// A number of bytes in `/proc/self/status`, where there is one.
fn resident(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
