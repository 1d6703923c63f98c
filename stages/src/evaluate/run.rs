//! The computation of the stage.

use mitune_diffusion::model::DiffusionModel;
use mitune_store::{Artifact, StoreError};

use super::config::Evaluate;
use super::images::{READABLE, judge};
use super::measures::rows::EvaluationRow;
use super::measures::scores::ScoreColumn;
use super::measures::table::{evaluation_batch, evaluation_rows};
use super::measures::timesteps::TermColumns;
use super::report::{EvaluationReport, ReportError};
use crate::contract::{Dtype, StageContext, StageError, StageOutput, Work};
use crate::models::candidate_images::{CandidateImage, CandidateImages};
use crate::shapes::world::{Prompt, PromptError};
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::image_rows::IMAGE_COLUMNS;
use crate::tables::matching::{MatchError, match_candidates};
use crate::tables::schema;
use crate::tables::score_column_error::ScoreColumnError;
use crate::tables::score_columns::ScoreTables;
use crate::tables::score_traces::{ScoreTrace, traces};

/// A prompt whose images nobody can judge here.
#[derive(Debug, thiserror::Error)]
#[error("`evaluate` reads pixels of the shapes world only; prompt `{text}` of id `{prompt_id}` is not of it")]
struct OtherWorld {
    prompt_id: String,
    text: String,
    source: PromptError,
}

impl Evaluate {
    pub(super) fn evaluate(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let store = context.store();
        let candidates = context.input("candidates")?;
        let index = CandidateIndex::read(store, candidates).map_err(StageError::failed)?;
        check_world(&index).map_err(StageError::configuration)?;
        let tables = ScoreTables {
            store,
            candidates,
            scores: context.inputs("scores"),
            evaluation: None,
            inputs: &self.inputs,
        };
        let scores = read_scores(&tables, &index)?;
        let traced: Vec<&Artifact> = std::iter::once(candidates).chain(tables.scores).collect();
        let traces = traces(store, &traced, &index).map_err(score_error)?;
        let baseline = context
            .optional_input("baseline")
            .map(|baseline| read_rows(context, baseline))
            .transpose()?;
        if let Some(baseline) = &baseline {
            self.match_baseline(&index, baseline)
                .map_err(|error| StageError::configuration(ReportError::OtherBaseline(error)))?;
        }
        let rows = self.judge(context, candidates, index.rows().len())?;
        let columns: Vec<ScoreColumn<'_>> = scores
            .iter()
            .map(|(name, values)| ScoreColumn { name, values })
            .collect();
        let terms: Vec<TermColumns<'_>> = traces.iter().map(columns_of).collect();
        let bootstrap = &self.config.bootstrap;
        let report = EvaluationReport::of(&rows, &columns, &terms, baseline.as_deref(), bootstrap).map_err(
            |error| match error {
                ReportError::Baseline(_) => StageError::configuration(error),
                error => StageError::failed(error),
            },
        )?;
        let batch = evaluation_batch(&rows).map_err(StageError::failed)?;
        let mut output = StageOutput::one(
            "rows",
            store.artifacts().put_table(&schema::evaluation(), [batch])?,
        );
        output
            .outputs
            .insert("summary".to_owned(), store.artifacts().put_json(&report)?);
        Ok(with_metrics(output, &report))
    }

    /// Checks that the baseline is of the same candidates, before any image is looked at.
    fn match_baseline(&self, index: &CandidateIndex, baseline: &[EvaluationRow]) -> Result<(), MatchError> {
        let candidates = index.rows().iter();
        let candidates = candidates.map(|row| (index.prompt(*row).id.as_str(), row.seed_index));
        let baseline = baseline
            .iter()
            .map(|row| (row.prompt_id.as_str(), row.seed_index));
        let names = ["candidates", "baseline"].map(|port| self.inputs.name(port));
        match_candidates((candidates, names[0].as_str()), (baseline, names[1].as_str()))
    }

    fn judge(
        &self,
        context: &StageContext<'_>,
        candidates: &Artifact,
        total: usize,
    ) -> Result<Vec<EvaluationRow>, StageError> {
        context.progress().begin(Work {
            total: total as u64,
            reused: 0,
            unit: "images",
        });
        let batch_size = self.config.batch_size.get() as usize;
        let mut model: Option<DiffusionModel> = None;
        let mut queue: Vec<CandidateImage> = Vec::new();
        let mut rows = Vec::with_capacity(total);
        let mut batches = context
            .store()
            .artifacts()
            .read_table(candidates, Some(&IMAGE_COLUMNS))?;
        loop {
            let more = batches.next().transpose()?;
            let last = more.is_none();
            if let Some(batch) = more {
                queue.extend(CandidateImage::of_batch(&batch).map_err(StageError::failed)?);
            }
            // Batches are cut by count alone, because tables come in pieces that say nothing about the candidates.
            while queue.len() >= batch_size || (last && !queue.is_empty()) {
                context.check_cancelled()?;
                let rest = queue.split_off(batch_size.min(queue.len()));
                let batch = std::mem::replace(&mut queue, rest);
                if model.is_none() && batch.iter().any(CandidateImage::is_latent) {
                    let source = self.model.as_ref();
                    model = source
                        .map(|source| source.load(context, Dtype::F32))
                        .transpose()?;
                }
                let images = CandidateImages {
                    device: model.as_ref().map(|_| context.device()).transpose()?,
                    model: model.as_ref(),
                    batch_size,
                    only: Some(READABLE),
                };
                rows.extend(judge(&batch, &images)?);
                context.progress().advance(batch.len() as u64);
            }
            if last {
                return Ok(rows);
            }
        }
    }
}

fn check_world(index: &CandidateIndex) -> Result<(), OtherWorld> {
    for prompt in index.prompts() {
        prompt.text.parse::<Prompt>().map_err(|source| OtherWorld {
            prompt_id: prompt.id.clone(),
            text: prompt.text.clone(),
            source,
        })?;
    }
    Ok(())
}

fn read_scores(
    tables: &ScoreTables<'_>,
    index: &CandidateIndex,
) -> Result<Vec<(String, Vec<f64>)>, StageError> {
    let names = tables.names().map_err(score_error)?;
    let mut scores = Vec::new();
    for name in names {
        if let Some(values) = tables.values_if_any(&name, index).map_err(score_error)? {
            scores.push((name, values));
        }
    }
    Ok(scores)
}

fn score_error(error: ScoreColumnError) -> StageError {
    match error {
        ScoreColumnError::Store(error) => StageError::Store(error),
        ScoreColumnError::Ambiguous { .. } => StageError::configuration(error),
        error => StageError::failed(error),
    }
}

fn columns_of(trace: &ScoreTrace) -> TermColumns<'_> {
    TermColumns {
        score: &trace.name,
        timesteps: &trace.timesteps,
        weights: trace.weights.as_deref(),
        terms: &trace.terms,
    }
}

fn read_rows(context: &StageContext<'_>, evaluation: &Artifact) -> Result<Vec<EvaluationRow>, StageError> {
    let mut rows = Vec::new();
    for batch in context.store().artifacts().read_table(evaluation, None)? {
        let batch = batch.map_err(|error: StoreError| StageError::Store(error))?;
        rows.extend(evaluation_rows(&batch).map_err(StageError::failed)?);
    }
    Ok(rows)
}

/// Adds the figures that a list of stages shows.
fn with_metrics(mut output: StageOutput, report: &EvaluationReport) -> StageOutput {
    let difference = report
        .comparison
        .as_ref()
        .and_then(|comparison| comparison.aligned);
    for (name, estimate) in [("aligned", report.alignment.aligned), ("difference", difference)] {
        if let Some(estimate) = estimate {
            output = output
                .with_metric(name, estimate.value)
                .with_metric(&format!("{name}_low"), estimate.low)
                .with_metric(&format!("{name}_high"), estimate.high);
        }
    }
    for power in &report.scores {
        if let Some(auc) = power.overall.auc {
            output = output.with_metric(&format!("auc_{}", power.score), auc.value);
        }
    }
    for power in &report.timesteps {
        let (score, last) = (&power.score, power.timesteps.last());
        if let (Some(last), Some((_, without))) = (last, power.without_last()) {
            output = output
                .with_metric(&format!("last_weight_{score}"), last.weight)
                .with_metric(&format!("auc_{score}_without_last"), without.value);
        }
    }
    let reader = report
        .reader
        .iter()
        .map(|check| check.accuracy.share())
        .fold(1.0, f64::min);
    output
        .with_metric("headline", report.headline())
        .with_metric("images", report.alignment.images)
        .with_metric("prompts", report.alignment.prompts)
        .with_metric("reader_accuracy", reader)
}
