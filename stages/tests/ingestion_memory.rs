//! Two million rows are ingested in bounded memory; alone in its process, because the peak is that of the process.
#![cfg(target_os = "linux")]

mod diffusiondb_metadata;

use std::path::PathBuf;

use mitune_stages::ingest::prompts::{
    DiffusionDbSource, PromptSource, PromptsConfig, SampleConfig, SplitConfig, TestShare, ingest,
};

const ROWS: u64 = 2_000_000;

#[test]
fn two_million_rows_need_less_than_500_megabytes() {
    let directory = tempfile::tempdir().expect("a directory");
    diffusiondb_metadata::write(&directory.path().join("metadata.parquet"), ROWS, 0).expect("a table");
    let source = DiffusionDbSource {
        metadata: PathBuf::from("metadata.parquet"),
        max_prompt_nsfw: Some(0.9),
        max_image_nsfw: Some(2.0),
        min_characters: Some(20),
        min_images: 1,
        ..DiffusionDbSource::default()
    };
    let mut config = PromptsConfig::new(PromptSource::Diffusiondb(source));
    config.sample = Some(SampleConfig { count: 6250, seed: 0 });
    config.split = Some(SplitConfig {
        test: TestShare::Count(1250),
        seed: 0,
    });
    let ingested = ingest(&config, directory.path()).expect("prompts");
    // The writer above may hold a row group, so this bounds both.
    let peak = peak_kilobytes();
    assert!(peak < 500_000, "{peak} kB");
    assert_eq!(ingested.report.read, ROWS);
    assert_eq!(ingested.report.kept, 6250);
    assert_eq!(ingested.report.splits["test"], 1250);
    assert!(ingested.report.not_sampled > 1_000_000, "{:?}", ingested.report);
}

fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the peak");
    line.trim().trim_end_matches(" kB").parse().expect("kilobytes")
}
