//! Telling stages what is known of their inputs before anything runs.

use std::path::Path;

use mitune_stages::contract::{Content, KnownInput, KnownInputs};

use super::connect::{PipelineStage, Source};
use super::error::PipelineError;

/// Port of the candidates that a stage scores, judges, evaluates or selects from.
const CANDIDATES_PORT: &str = "candidates";

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

/// Returns the stage that made the candidates that an output is, or is about; none if the graph does not tell.
fn origin<'a>(source: &Source, stages: &'a [PipelineStage]) -> Option<&'a PipelineStage> {
    let mut source = *source;
    loop {
        let from = &stages[source.stage];
        let mut outputs = from.stage.outputs().iter();
        match outputs.find(|output| output.name == source.output)?.content {
            Content::Candidates => return Some(from),
            Content::Scores
            | Content::Evaluation
            | Content::Selection
            | Content::Pairs
            | Content::Weights => {
                let port = from.inputs.iter().find(|port| port.port == CANDIDATES_PORT)?;
                let [only] = port.sources.as_slice() else {
                    return None;
                };
                source = *only;
            }
            _ => return None,
        }
    }
}
