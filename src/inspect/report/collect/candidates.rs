//! The candidates of a pool with all their scores, without latents and images.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::types::{Float64Type, UInt32Type};
use mitune_stages::tables::columns::{number_column, string_column};
use mitune_store::Store;

use super::super::error::ReportError;
use super::graph::{RunGraph, Source};
use super::pools::Pool;
use super::tables::Table;

/// The candidates of a pool in the order of their table.
pub(super) struct Candidates {
    pub(super) prompts: Vec<CandidatePrompt>,
    pub(super) scores: Vec<Score>,
}

/// A prompt with its candidates.
pub(super) struct CandidatePrompt {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) seed_indices: Vec<u32>,
}

/// One score of a pool.
pub(super) struct Score {
    pub(super) name: String,
    /// The stage that computed it.
    pub(super) stage: usize,
    values: HashMap<String, HashMap<u32, f64>>,
}

impl Score {
    /// Returns the score of a candidate.
    pub(super) fn of(&self, prompt_id: &str, seed_index: u32) -> Option<f64> {
        self.values.get(prompt_id)?.get(&seed_index).copied()
    }
}

impl Candidates {
    /// Reads identities and scores.
    pub(super) fn read(store: &Store, graph: &RunGraph, pool: &Pool<'_>) -> Result<Self, ReportError> {
        let table = Table {
            store,
            graph,
            source: pool.candidates,
        };
        let mut scores = scores(table, pool.candidates.stage)?;
        scores.extend(scores_of(store, graph, &pool.scored_by)?);
        distinguish(&mut scores, graph);
        Ok(Self {
            prompts: prompts(table)?,
            scores,
        })
    }
}

/// Reads all columns of numbers that stages made about candidates.
pub(super) fn scores_of(
    store: &Store,
    graph: &RunGraph,
    stages: &[usize],
) -> Result<Vec<Score>, ReportError> {
    let mut found = Vec::new();
    for &stage in stages {
        for source in outputs(graph, stage) {
            found.extend(scores(Table { store, graph, source }, stage)?);
        }
    }
    Ok(found)
}

fn outputs(graph: &RunGraph, stage: usize) -> impl Iterator<Item = Source<'_>> {
    let record = graph.stages[stage].record.iter();
    record
        .flat_map(|record| record.outputs.keys())
        .filter_map(move |output| graph.output(stage, output))
        .filter(|source| source.artifact.rows.is_some())
}

fn prompts(table: Table<'_>) -> Result<Vec<CandidatePrompt>, ReportError> {
    let mut prompts: Vec<CandidatePrompt> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    for batch in table.read(Some(&["prompt_id", "prompt", "seed_index"]))? {
        let batch = batch?;
        let text = |name| string_column(&batch, name).map_err(|error| table.column_error(error));
        let (ids, texts) = (text("prompt_id")?, text("prompt")?);
        let seeds =
            number_column::<UInt32Type>(&batch, "seed_index").map_err(|error| table.column_error(error))?;
        for row in 0..batch.num_rows() {
            let id = ids.value(row);
            let position = match positions.get(id) {
                Some(position) => *position,
                None => {
                    positions.insert(id.to_owned(), prompts.len());
                    prompts.push(CandidatePrompt {
                        id: id.to_owned(),
                        text: texts.value(row).to_owned(),
                        seed_indices: Vec::new(),
                    });
                    prompts.len() - 1
                }
            };
            prompts[position].seed_indices.push(seeds.value(row));
        }
    }
    Ok(prompts)
}

fn scores(table: Table<'_>, stage: usize) -> Result<Vec<Score>, ReportError> {
    let names = table.scores()?;
    let mut scores: Vec<Score> = names
        .iter()
        .map(|name| Score {
            name: name.clone(),
            stage,
            values: HashMap::new(),
        })
        .collect();
    if scores.is_empty() {
        return Ok(scores);
    }
    let identity = ["prompt_id", "seed_index"];
    let columns: Vec<&str> = identity
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    for batch in table.read(Some(&columns))? {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(|error| table.column_error(error))?;
        let seeds =
            number_column::<UInt32Type>(&batch, "seed_index").map_err(|error| table.column_error(error))?;
        for score in &mut scores {
            let values = number_column::<Float64Type>(&batch, &score.name)
                .map_err(|error| table.column_error(error))?;
            // A mode that a run has no timestep for leaves its column empty.
            for row in (0..batch.num_rows()).filter(|&row| values.is_valid(row)) {
                let of_prompt = match score.values.get_mut(ids.value(row)) {
                    Some(of_prompt) => of_prompt,
                    None => score.values.entry(ids.value(row).to_owned()).or_default(),
                };
                of_prompt.insert(seeds.value(row), values.value(row));
            }
        }
    }
    scores.retain(|score| !score.values.is_empty());
    Ok(without_repeats(scores))
}

/// Leaves out columns that say what one before them says: that of the mode in force repeats `mi`.
fn without_repeats(scores: Vec<Score>) -> Vec<Score> {
    let mut kept: Vec<Score> = Vec::new();
    for score in scores {
        if kept.iter().all(|before| before.values != score.values) {
            kept.push(score);
        }
    }
    kept
}

/// Adds the stage to names that several stages give to their scores.
pub(super) fn distinguish(scores: &mut [Score], graph: &RunGraph) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for score in scores.iter() {
        *counts.entry(score.name.clone()).or_default() += 1;
    }
    for score in scores {
        if counts.get(&score.name).is_some_and(|&count| count > 1) {
            score.name = format!("{} ({})", score.name, graph.stages[score.stage].name());
        }
    }
}
