//! From the record of a run to everything its report says.

mod agreements;
mod alignment;
mod base64;
mod candidates;
mod choose;
mod compared_tables;
mod comparisons;
mod costs;
mod disagreements;
mod distributions;
mod evaluations;
mod facts;
mod folders;
mod forgetting;
mod gallery;
mod graph;
mod headline;
mod judged;
mod judged_arms;
mod judgements;
mod losses;
mod notes;
mod over_arms;
mod over_seeds;
mod pictures;
mod pools;
mod prompt_groups;
mod rounds;
mod scores;
mod selectors;
mod sets;
mod shares;
mod side_by_side;
mod tables;
mod thumbnail;
mod trace;

use mitune_store::{RunRecord, Store};

use super::model::{Alignment, ModelLabel, ReaderCheck, Report, Scores, Traces};
use super::{ReportError, ReportOptions};
use candidates::Candidates;
use evaluations::Evaluation;
use gallery::Extent;
use graph::RunGraph;
use judged::Judged;
use over_arms::{ArmPools, OverArms};
use pictures::Pictures;
use pools::Pool;
use side_by_side::Side;

/// Reads everything that the report of a run says.
///
/// The report is a function of the run, the store and the options: no clock, no randomness.
///
/// # Errors
/// [`ReportError`] if a result that the run names is missing, damaged or not what its stage promises.
pub(crate) fn collect(
    store: &Store,
    run: &RunRecord,
    options: ReportOptions<'_>,
) -> Result<Report, ReportError> {
    let events = store
        .runs()
        .events(&run.id)
        .map_err(|source| ReportError::Events {
            run: run.id.to_string(),
            source,
        })?;
    let graph = RunGraph::read(store, run, &events)?;
    let pools = pools::pools(&graph);
    let mut evaluations: Vec<Option<Evaluation>> = Vec::new();
    for pool in &pools {
        let evaluation = match pool.evaluated_by.first() {
            Some(&stage) => evaluations::evaluation(store, &graph, stage, options.bootstrap)?,
            None => None,
        };
        evaluations.push(evaluation);
    }
    let judged: Vec<Judged<'_>> = pools
        .iter()
        .zip(&evaluations)
        .filter_map(|(pool, evaluation)| {
            let evaluation = evaluation.as_ref()?;
            Some(Judged { pool, evaluation })
        })
        .collect();
    let mut notes = notes::notes(&graph, run.status, &events);
    notes.extend(notes::unread_evaluations(&graph, &pools));
    let measured: Vec<&Judged<'_>> = measured(&judged);
    let mut scores = Vec::new();
    for judged in measured.iter().take(options.pools) {
        let candidates = Candidates::read(store, &graph, judged.pool)?;
        scores.extend(scores::scores(&graph, judged, &candidates, &mut notes)?);
    }
    let mut traces = Vec::new();
    let evaluation_of = |pool: &Pool<'_>| {
        let position = pools.iter().position(|other| std::ptr::eq(other, pool));
        position.and_then(|position| evaluations[position].as_ref())
    };
    let shown = shown(&pools);
    for pool in shown.iter().take(options.pools) {
        traces.extend(trace::trace(store, &graph, pool, evaluation_of(pool))?);
    }
    let mut pictures = Pictures {
        store,
        graph: &graph,
        side: options.image_side,
        decoder: options.decoder,
        decoded_places: options.decoded_places,
        missing: Vec::new(),
    };
    let (mut gallery, mut extremes) = (None, None);
    if let Some(pool) = shown.first() {
        let candidates = Candidates::read(store, &graph, pool)?;
        let extent = Extent {
            prompts: options.prompts,
            candidates: options.candidates_per_prompt,
            score: &options.score,
            other_pools: pools.len() - 1,
        };
        (gallery, extremes) =
            gallery::gallery(&mut pictures, pool, &candidates, evaluation_of(pool), extent)?;
    }
    let mut side_by_side = None;
    if let Some(Compared {
        base,
        tuned,
        other_models,
        other_tables,
    }) = compared(&pools)
    {
        let candidates = Candidates::read(store, &graph, base)?;
        let side = |pool| Side {
            pool,
            evaluation: evaluation_of(pool),
        };
        let tuned: Vec<Side<'_>> = tuned.into_iter().map(side).collect();
        let extent = side_by_side::Extent {
            prompts: options.prompts,
            images: options.compared_images,
            other_models,
            other_tables,
        };
        side_by_side = side_by_side::side_by_side(&mut pictures, &side(base), &tuned, &candidates, extent)?;
    }
    let judged_tables = judged_arms::judged_tables(store, &graph)?;
    let mut disagreements = None;
    if let Some(pool) = disagreements::pool(&shown, &pools) {
        let candidates = Candidates::read(store, &graph, pool)?;
        let evaluation = evaluation_of(pool);
        disagreements =
            disagreements::disagreements(&mut pictures, pool, &candidates, &judged_tables, evaluation)?;
    }
    notes.extend(pictures.missing_notes());
    let comparisons = comparisons::comparisons(store, &graph)?;
    notes.extend(selectors::judged_by_their_selector(store, &graph, &comparisons)?);
    let sets = sets::sets(store, &graph)?;
    let together = together(&pools);
    let arm_pools = ArmPools {
        all: &pools,
        together: &together,
    };
    let OverArms {
        distributions,
        forgetting,
    } = over_arms::over_arms(store, &graph, arm_pools, &judged_tables, &comparisons, &sets)?;
    let (groups, failures) = alignment::alignment(&graph, &judged, &options.control_arm, options.repetition)?;
    Ok(Report {
        title: options.title.unwrap_or_else(|| run.pipeline.clone()),
        run: facts::run_summary(run, &graph),
        headline: headline::headline(&groups),
        notes,
        alignment: (!groups.is_empty()).then(|| Alignment {
            reader: reader_checks(&judged),
            groups,
        }),
        failures,
        costs: costs::costs(&graph, &comparisons),
        comparisons,
        agreements: agreements::agreements(store, &graph)?,
        distributions,
        disagreements,
        forgetting,
        sets,
        side_by_side,
        scores: (!scores.is_empty()).then(|| Scores {
            left_out: measured.len().saturating_sub(options.pools),
            pools: scores,
        }),
        gallery,
        extremes,
        traces: (!traces.is_empty()).then(|| Traces {
            left_out: pools.len() - traces.len(),
            pools: traces,
        }),
        losses: losses::losses(store, &graph)?,
        stages: facts::stage_facts(store, &graph)?,
    })
}

/// How often the reader of pixels is right, as the first evaluation says that knows.
fn reader_checks(judged: &[Judged<'_>]) -> Vec<ReaderCheck> {
    let measured = judged.iter().find_map(|one| one.evaluation.measured.as_ref());
    let checks = measured.map_or(&[][..], |measured| measured.reader.as_slice());
    checks
        .iter()
        .map(|check| ReaderCheck {
            images: check.accuracy.images,
            right: check.accuracy.share(),
            blur: check.disturbance.blur,
            noise: check.disturbance.noise,
        })
        .collect()
}

/// The pools whose scores matter: those with further scores or a selection, else all that were read off.
fn measured<'a>(judged: &'a [Judged<'a>]) -> Vec<&'a Judged<'a>> {
    let chosen_from = |one: &&Judged<'_>| !one.pool.scored_by.is_empty() || !one.pool.selected_by.is_empty();
    let chosen: Vec<&Judged<'_>> = judged.iter().filter(chosen_from).collect();
    if chosen.is_empty() {
        judged.iter().collect()
    } else {
        chosen
    }
}

/// The pools whose candidates are shown: those that were scored or selected from, else those that were read off or
/// judged, else the first.
fn shown<'a>(pools: &'a [Pool<'a>]) -> Vec<&'a Pool<'a>> {
    let choices: [fn(&Pool<'_>) -> bool; 3] = [
        |pool| !pool.scored_by.is_empty() || !pool.selected_by.is_empty(),
        |pool| !pool.evaluated_by.is_empty() || !pool.judged_by.is_empty(),
        |_| true,
    ];
    let pools_of = |choice: fn(&Pool<'_>) -> bool| -> Vec<&Pool<'_>> {
        pools.iter().filter(|pool| choice(pool)).collect()
    };
    choices
        .into_iter()
        .map(pools_of)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Models to compare.
struct Compared<'a> {
    base: &'a Pool<'a>,
    /// Of the last round.
    tuned: Vec<&'a Pool<'a>>,
    /// Tuned models of earlier rounds.
    other_models: usize,
    /// Tables of prompts that could be chosen instead.
    other_tables: usize,
}

/// The base and the tuned models that are compared.
fn together<'a>(pools: &'a [Pool<'a>]) -> Vec<&'a Pool<'a>> {
    let compared = compared(pools);
    compared.map_or_else(Vec::new, |found| {
        std::iter::once(found.base).chain(found.tuned).collect()
    })
}

/// The base and the models of the last round on the same prompts, held-out prompts before others.
fn compared<'a>(pools: &'a [Pool<'a>]) -> Option<Compared<'a>> {
    let bases = pools.iter().filter(|pool| pool.model == ModelLabel::Base);
    let mut found: Vec<Compared<'_>> = bases
        .map(|base| {
            let content = |pool: &Pool<'_>| pool.prompts.map(|source| source.artifact.content);
            let same: Vec<&Pool<'_>> = pools
                .iter()
                .filter(|pool| content(pool).is_some() && content(pool) == content(base))
                .filter(|pool| pool.selected_by.is_empty() == base.selected_by.is_empty())
                .collect();
            let tuned = side_by_side::last_round(&same);
            let all = same.iter().filter(|pool| pool.model != ModelLabel::Base);
            Compared {
                base,
                other_models: all.count() - tuned.len(),
                tuned,
                other_tables: 0,
            }
        })
        .filter(|compared| !compared.tuned.is_empty())
        .collect();
    found.sort_by_key(|compared| !compared.base.selected_by.is_empty());
    let other_tables = found.len().saturating_sub(1);
    found.into_iter().next().map(|compared| Compared {
        other_tables,
        ..compared
    })
}
