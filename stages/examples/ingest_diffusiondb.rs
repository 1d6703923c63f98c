//! Ingests the prompts of a DiffusionDB table and prints the report, the time and the peak of memory: `FILE [COUNT]`.

#![allow(clippy::disallowed_methods, reason = "an example has no terminal to protect")]

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use mitune_stages::ingest::prompts::{DiffusionDbSource, PromptSource, PromptsConfig, SampleConfig, ingest};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: ingest_diffusiondb FILE [COUNT]")?;
    let count = arguments.next().map_or(Ok(6250), |count| count.parse())?;
    let source = DiffusionDbSource {
        metadata: path.into(),
        max_prompt_nsfw: Some(0.1),
        max_image_nsfw: Some(0.1),
        min_width: Some(512),
        min_height: Some(512),
        min_characters: Some(20),
        max_characters: Some(300),
        min_images: 1,
        ..DiffusionDbSource::default()
    };
    let mut config = PromptsConfig::new(PromptSource::Diffusiondb(source));
    config.sample = Some(SampleConfig { count, seed: 0 });
    let started = Instant::now();
    let ingested = ingest(&config, Path::new(""))?;
    let seconds = started.elapsed().as_secs_f64();
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string_pretty(&ingested.report)?)?;
    writeln!(output, "{seconds:.2} s")?;
    // The kernel's own record of the peak; absent on systems without it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        writeln!(output, "{line}")?;
    }
    Ok(())
}
