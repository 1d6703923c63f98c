//! Images that are no candidates as a set and as a reference.

use std::fs;

use mitune_diffusion::image::RgbImage;
use mitune_store::Artifact;
use serde_json::json;

use super::{SetDistanceConfig, SetMetrics};
use crate::testing::trial::Trial;
use crate::testing::trial_clip;
use crate::testing::trial_tables::{Candidate, candidates, images};

/// Two prompts with two images each.
fn pool(phase: u32) -> Vec<Candidate> {
    let candidate = |number: u32| {
        let pixels = (0..9 * 8 * 3).map(|place| ((place * (number + 3) + phase) * 97 % 251) as u8);
        let image = RgbImage::new(9, 8, pixels.collect()).unwrap();
        Candidate {
            prompt: format!("prompt {}", number / 2),
            seed_index: number % 2,
            mi: 0.0,
            latent: vec![0.0; 16],
            png: Some(image.to_png().unwrap()),
        }
    };
    (0..4).map(candidate).collect()
}

#[test]
fn images_are_a_set_and_a_reference_as_candidates_are() {
    let trial = Trial::new();
    let clip = trial.folder.path().join("clip");
    fs::create_dir(&clip).unwrap();
    trial_clip::write(&clip, 1);
    let settings =
        json!({"images": ["a"], "metric": "cmmd", "model": "clip", "reference": "b", "batch_size": 3});
    let distance = |set: &Artifact, reference: &Artifact| {
        let inputs: [(&'static str, &[&Artifact]); 2] = [("images", &[set]), ("reference", &[reference])];
        let output = trial.run::<SetDistanceConfig>(settings.clone(), &inputs).unwrap();
        let report: SetMetrics = trial
            .store
            .artifacts()
            .read_json(&output.outputs["summary"])
            .unwrap();
        report.arms[0].distance.unwrap()
    };
    let generated = [0, 60].map(|phase| candidates(&trial.store, &pool(phase)));
    let given = [0, 60].map(|phase| images(&trial.store, &pool(phase)));
    let expected = distance(&generated[0], &generated[1]);
    assert!(expected > 0.0, "{expected}");
    assert_eq!(distance(&given[0], &generated[1]), expected);
    assert_eq!(distance(&given[0], &given[1]), expected);
}
