//! Reports of runs whose candidates were stored as latents.

use std::path::Path;

use mitune_diffusion::image::RgbImage;

use crate::program::{Ended, run_real};
use crate::trial_model;

/// A pipeline with a tuned model, on a model that lies beside it.
fn pipeline(folder: &Path, name: &str, images: bool) -> String {
    let text = format!(
        "version: 1\nname: {name}\nmodel: model\nstages:\n  \
           prompts: {{kind: ingest, source: {{inline: [a red circle, a green cross]}}}}\n  \
           candidates: {{kind: generate, prompts: prompts, candidates_per_prompt: 3, images: {images}, \
             sampler: {{steps: 2}}}}\n  \
           selection: {{kind: select, candidates: candidates, by: mi, top_k: 1}}\n  \
           adapter: {{kind: finetune, selection: selection, rank: 2, alpha: 2, batch_size: 2, steps: 2, \
             learning_rate: 0.01}}\n  \
           base_images: {{kind: generate, prompts: prompts, candidates_per_prompt: 2, images: {images}, \
             sampler: {{steps: 2, scheduler: ddim}}}}\n  \
           tuned_images: {{kind: generate, prompts: prompts, adapter: adapter, candidates_per_prompt: 2, \
             images: {images}, sampler: {{steps: 2, scheduler: ddim}}}}\n\
         report: {{}}\n"
    );
    let file = folder.join(format!("{name}.yaml"));
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn succeed(folder: &Path, arguments: &[&str]) -> Ended {
    let ended = run_real(folder, arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// Reads a section of a page, and its images.
fn section(page: &str, name: &str) -> Vec<RgbImage> {
    let section = page
        .split(&format!("<section id=\"{name}\""))
        .nth(1)
        .unwrap_or_default();
    let section = section.split("</section>").next().unwrap();
    let sources = section.split("data:image/png;base64,").skip(1);
    sources
        .map(|source| RgbImage::from_png(&from_base64(source.split('"').next().unwrap())).unwrap())
        .collect()
}

/// Decodes base64 with padding.
fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::new();
    for four in letters.chunks(4) {
        let bits = four
            .iter()
            .fold(0_u32, |bits, &letter| bits << 6 | u32::from(value(letter)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn latents_are_shown_as_the_images_that_would_have_been_stored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trial_model::write(&folder.join("model"));
    let mut pages = Vec::new();
    for (name, images) in [("pixels", true), ("latents", false)] {
        let file = pipeline(folder, name, images);
        succeed(folder, &["run", &file, "--device", "cpu"]);
        pages.push(read(folder, &format!("{name}.html")));
    }
    let [pixels, latents] = &pages[..] else { panic!() };
    // 2 prompts: 3 candidates each and their two ends by either estimator; 2 seeds by 2 models.
    for (name, count) in [("candidates", 6), ("extremes", 8), ("compared", 8)] {
        let (expected, found) = (section(pixels, name), section(latents, name));
        assert_eq!((expected.len(), found.len()), (count, count), "{name}");
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!((found.width(), found.height()), (32, 32));
            // Batches of other sizes may round differently.
            let far = |(one, other): (&u8, &u8)| one.abs_diff(*other) > 1;
            assert!(!expected.pixels().iter().zip(found.pixels()).any(far), "{name}");
        }
        let distinct = |images: &[RgbImage]| images.iter().any(|image| image.pixels() != images[0].pixels());
        assert!(distinct(&found), "{name}");
    }
    for page in &pages {
        assert!(!page.contains(folder.to_str().unwrap()));
    }
}

#[test]
fn without_the_model_the_report_is_written_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trial_model::write(&folder.join("model"));
    let file = pipeline(folder, "latents", false);
    succeed(folder, &["run", &file, "--device", "cpu"]);
    let whole = read(folder, "latents.html");
    let report = |out: &str| {
        succeed(folder, &["report", &file, "--out", out, "--device", "cpu"]);
        read(folder, out)
    };
    assert_eq!(report("again.html"), whole);

    std::fs::rename(folder.join("model"), folder.join("elsewhere")).unwrap();
    let page = report("gone.html");
    assert!(section(&page, "candidates").is_empty() && section(&page, "compared").is_empty());
    assert!(page.contains("The model directory of the pipeline is not on this machine or cannot be read."));
    assert!(page.contains("<section id=\"provenance\"") && page.contains("<section id=\"loss\""));
    assert!(!page.contains(folder.to_str().unwrap()));

    // Another model of the same shape would show other images than those that were scored.
    trial_model::write(&folder.join("model"));
    let page = report("other.html");
    assert!(section(&page, "candidates").is_empty());
    assert!(page.contains("holds another model than the one that generated them."));

    std::fs::remove_dir_all(folder.join("model")).unwrap();
    std::fs::rename(folder.join("elsewhere"), folder.join("model")).unwrap();
    assert_eq!(report("back.html"), whole);
}
