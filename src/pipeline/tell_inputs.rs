//! Telling stages what is known of their inputs before anything runs.

use std::path::Path;

use mitune_stages::contract::{Content, KnownInput, KnownInputs};

use super::connect::{PipelineStage, Source};
use super::error::PipelineError;

/// Port of the candidates that a stage scores, judges, evaluates or selects from.
const CANDIDATES_PORT: &str = "candidates";

/// Port of what a mixture is drawn from.
const MIXED_PORT: &str = "selections";

/// Ports of other tables whose images features are of.
const EMBEDDED_PORTS: [&str; 4] = ["selection", "pairs", "weights", "latents"];

/// Tells every stage where its inputs come from, what columns they will have and whose candidates they are about.
///
/// Each of `stages` reads only from those before it.
///
/// # Errors
/// [`PipelineError::Stage`] at the first stage that cannot work on such inputs.
pub(super) fn tell_inputs(file: &Path, stages: &mut [PipelineStage]) -> Result<(), PipelineError> {
    for position in 0..stages.len() {
        let inputs = known_inputs(&stages[position], stages);
        let stage = &mut stages[position];
        stage
            .stage
            .connected(inputs)
            .map_err(|source| PipelineError::Stage {
                file: file.to_owned(),
                mark: stage.mark,
                stage: stage.name.to_string(),
                source,
            })?;
    }
    Ok(())
}

fn known_inputs(stage: &PipelineStage, stages: &[PipelineStage]) -> KnownInputs {
    let mut known = KnownInputs::default();
    for port in &stage.inputs {
        let inputs = port.sources.iter().map(|source| {
            let from = &stages[source.stage];
            let table = from.stage.expected_table(source.output, &|_| None);
            KnownInput {
                stage: from.name.to_string(),
                columns: table.map(|table| table.columns),
                candidates: origin(source, stages).map(|origin| origin.name.to_string()),
            }
        });
        known.add(port.port, inputs.collect());
    }
    known
}

/// Returns the stage that made the candidates or latents that an output is, or is about; none if the graph does not tell.
fn origin<'a>(source: &Source, stages: &'a [PipelineStage]) -> Option<&'a PipelineStage> {
    let mut source = *source;
    loop {
        let from = &stages[source.stage];
        let mut outputs = from.stage.outputs().iter();
        let content = outputs.find(|output| output.name == source.output)?.content;
        match content {
            // A mixture has the prompts and numbers of all that it draws from, which may be several stages.
            Content::Latents if from.inputs.iter().any(|port| port.port == MIXED_PORT) => return None,
            // Given images have prompts and numbers of their own, as candidates do.
            Content::Candidates | Content::Latents => return Some(from),
            Content::Scores
            | Content::Evaluation
            | Content::Selection
            | Content::Pairs
            | Content::Weights
            | Content::Features => {
                let embeds = |port: &str| content == Content::Features && EMBEDDED_PORTS.contains(&port);
                let mut ports = from.inputs.iter();
                let port = ports.find(|port| port.port == CANDIDATES_PORT || embeds(port.port))?;
                let [only] = port.sources.as_slice() else {
                    return None;
                };
                source = *only;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::path::Path;

    use super::super::{BuiltinKinds, parse};

    /// What is wrong with a selection of the images `real`, of which, as of `others`, there are scores.
    fn told(selection: &str) -> String {
        let images = "{kind: encode_images, source: {shapes: {split: train}}}";
        let text = format!(
            "version: 1\nname: given\nmodel: m\nstages:\n  real: {images}\n  others: {images}\n  \
             real_scores: {{kind: score, candidates: real}}\n  other_scores: {{kind: score, candidates: others}}\n  \
             chosen: {{kind: select, candidates: real, {selection}}}\n"
        );
        match parse(Path::new("given.yaml"), &text, &[], &BuiltinKinds) {
            Ok(_) => String::new(),
            Err(error) => match error.source() {
                Some(source) => source.to_string(),
                None => error.to_string(),
            },
        }
    }

    /// What is wrong with stages behind candidates `a` and two selections of them, `best` and `others`.
    fn told_of_stages(stages: &str) -> String {
        let text = format!(
            "version: 1\nname: mixed\nmodel: m\nstages:\n  p: {{kind: ingest, source: {{shapes: {{}}}}}}\n  \
             a: {{kind: generate, prompts: p}}\n  best: {{kind: select, candidates: a, top_k: 1}}\n  \
             others: {{kind: select, candidates: a, by: random, top_k: 1}}\n{stages}"
        );
        match parse(Path::new("mixed.yaml"), &text, &[], &BuiltinKinds) {
            Ok(_) => String::new(),
            Err(error) => match error.source() {
                Some(source) => source.to_string(),
                None => error.to_string(),
            },
        }
    }

    #[test]
    fn a_mixture_has_the_candidates_of_what_it_draws_from() {
        let mixed = "  mixed: {kind: mix, selections: [best, others], shares: [0.5, 0.5]}\n  \
                     clip: {kind: embed, candidates: a, judge_model: clip}\n  \
                     beside: {kind: contrast, selection: mixed, features: clip}\n";
        assert_eq!(told_of_stages(mixed), "");
    }

    #[test]
    fn a_training_whose_tables_no_stage_of_the_arm_makes_is_refused() {
        let rounds = "rounds:\n  count: 1\n  for_each: {method: [dpo, base]}\n  stages:\n    \
                      pairs: {kind: pair, candidates: a, when: {method: dpo}}\n    \
                      tuned: {kind: finetune, objective: {kind: dpo}, pairs: [pairs]}\n";
        let told = told_of_stages(rounds);
        assert!(
            told.starts_with(
                "Objective `dpo` is trained on `pairs`, whose references stand for no stage here"
            ),
            "{told}"
        );
    }

    #[test]
    fn features_of_other_candidates_than_those_of_the_pairs_are_refused() {
        let with = |features: &str| {
            told_of_stages(&format!(
                "  b: {{kind: generate, prompts: p, seed: 5}}\n  of_a: {{kind: pair, candidates: a}}\n  \
                 of_b: {{kind: pair, candidates: b}}\n  clip_a: {{kind: embed, candidates: a, judge_model: clip}}\n  \
                 clip_b: {{kind: embed, candidates: b, judge_model: clip}}\n  \
                 clip_pairs: {{kind: embed, pairs: of_a, judge_model: clip}}\n  \
                 tuned: {{kind: finetune, objective: {{kind: rpo}}, pairs: [of_a, of_b], features: {features}}}\n"
            ))
        };
        for related in ["[clip_b, clip_a]", "[clip_pairs, clip_b]"] {
            assert_eq!(with(related), "", "{related}");
        }
        for of_a in ["[clip_a]", "[clip_pairs]"] {
            assert_eq!(
                with(of_a),
                "No table of `features` is about the candidates of stage `b`, whose images are in `pairs[1]` (stage \
                 `of_b`): add an `embed` stage of these pairs"
            );
        }
    }

    #[test]
    fn scores_of_given_images_are_of_the_stage_that_encoded_them() {
        assert_eq!(
            told("scores: [real_scores], by: mi_signed, within: all, top_k: 5"),
            ""
        );
        assert_eq!(
            told("scores: [other_scores], by: mi_signed"),
            "`scores[0]` (stage `other_scores`) is about the candidates of stage `others`, but `candidates` are those of \
             stage `real`"
        );
        let unknown = told("scores: [real_scores]");
        assert!(
            unknown.starts_with("Given images have no `mi`, which only a generation has"),
            "{unknown}"
        );
    }
}
