//! Given images, which are scored as candidates are.

use mitune_store::Artifact;
use serde_json::json;

use super::ScoreConfig;
use crate::contract::{Content, StageError, StageOutput};
use crate::draws::Draws;
use crate::testing::trial::Trial;
use crate::testing::trial_model;
use crate::testing::trial_tables::{Candidate, candidates, latents};

/// Two images of each of two prompts, with latents as the model of [`trial`] has them.
fn images() -> Vec<Candidate> {
    let mut draws = Draws::new("score test", 0, 0);
    let prompts = ["a red circle and a blue square", "a green cross and a red circle"];
    let named = prompts.into_iter().flat_map(|prompt| [(prompt, 0), (prompt, 1)]);
    let images = named.map(|(prompt, seed_index)| Candidate {
        prompt: prompt.to_owned(),
        seed_index,
        mi: 0.0,
        latent: (0..256).map(|_| draws.between(-1.0, 1.0)).collect(),
        png: None,
    });
    images.collect()
}

fn trial() -> Trial {
    let mut trial = Trial::new();
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    trial.defaults.model = Some(model);
    trial
}

fn score(trial: &Trial, table: &Artifact) -> Result<StageOutput, StageError> {
    let settings = json!({"candidates": "given", "batch_size": 2, "timesteps": {"count": 4}});
    trial.run::<ScoreConfig>(settings, &[("candidates", &[table])])
}

#[test]
fn given_images_have_the_scores_of_candidates_with_their_latents() {
    let (one, mut other) = (trial(), trial());
    other.defaults.model.clone_from(&one.defaults.model);
    let given = score(&one, &latents(&one.store, &images())).unwrap();
    let generated = score(&other, &candidates(&other.store, &images())).unwrap();
    assert_eq!(
        given.outputs["scores"].content,
        generated.outputs["scores"].content
    );
    assert_eq!(given.outputs["scores"].rows, Some(4));
    assert_eq!(given.metrics["denoiser_evaluations"], json!(4 * 2 * 4));
}

#[test]
fn an_image_that_stands_twice_is_refused() {
    let trial = trial();
    let mut images = images();
    images[1].seed_index = 0;
    let error = score(&trial, &latents(&trial.store, &images))
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    let expected = "Image `0` of prompt `a red circle and a blue square` is twice in the table";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn latents_are_taken_where_candidates_are() {
    let trial = trial();
    let stage = trial
        .stage::<ScoreConfig>(json!({"candidates": "given"}))
        .unwrap();
    let port = &stage.inputs()[0];
    assert_eq!(
        (port.port, port.accepts),
        ("candidates", &[Content::Candidates, Content::Latents][..])
    );
}
