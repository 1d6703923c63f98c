//! The head of the page: what ran, and what came of it.

use mitune_store::RunStatus;

use super::format::{counted, duration, percent, percent_interval, points, points_interval, short, time};
use super::interval_bar::{Verdict, verdict};
use super::markup::Markup;
use super::parts::{confidence, model_name};
use crate::report::model::{AlignmentEntry, AlignmentGroup, ModelLabel, Report, RunFacts};

/// Adds title, facts of the run and its main result.
pub(super) fn header(markup: &mut Markup, report: &Report) {
    markup.raw("<header>\n<p class=\"eyebrow\">mitune report</p>\n");
    markup.element("h1", &[], |markup| {
        markup.leaf("bdi", &[], short(&report.title, 200));
    });
    let run = &report.run;
    markup.element("p", &[("class", &"facts")], |markup| {
        let status = match run.status {
            RunStatus::Running => "not ended",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
        };
        markup
            .raw("Pipeline ")
            .leaf("code", &[], short(&run.pipeline, 200));
        markup.raw(", run ").leaf("code", &[], &run.id).raw(", ");
        markup.leaf(
            "span",
            &[("class", &format!("status {}", status.replace(' ', "-")))],
            status,
        );
        markup.raw(".");
    });
    if let Some(group) = main_group(&report.alignment) {
        headline(markup, group);
    }
    facts(markup, run);
    markup.raw("</header>\n");
}

/// Chooses the evaluation that answers the question of the run: held-out prompts before others, more models before fewer.
pub(super) fn main_group(groups: &[AlignmentGroup]) -> Option<&AlignmentGroup> {
    let tuned = |group: &AlignmentGroup| {
        group
            .entries
            .iter()
            .filter(|entry| entry.to_base.is_some())
            .count()
    };
    groups
        .iter()
        .rev()
        .max_by_key(|group| (tuned(group) > 0, group.held_out, tuned(group)))
}

fn headline(markup: &mut Markup, group: &AlignmentGroup) {
    let base = group.entries.iter().find(|entry| entry.model == ModelLabel::Base);
    let last = last_round(group);
    let estimate = |entry: &AlignmentEntry| entry.summary.aligned;
    let mut tiles: Vec<(String, String, String)> = Vec::new();
    if let Some(aligned) = base.and_then(estimate) {
        tiles.push((
            "base".to_owned(),
            percent(aligned.value),
            percent_interval(&aligned),
        ));
    }
    for entry in &last {
        let Some(aligned) = estimate(entry) else { continue };
        let change = entry.to_base.as_ref().and_then(|change| change.aligned);
        let text = change.map_or_else(
            || percent_interval(&aligned),
            |change| {
                format!(
                    "{} points {}, {}",
                    points(change.value),
                    points_interval(&change),
                    side(verdict(&change, 0.0))
                )
            },
        );
        tiles.push((model_name(&entry.model), percent(aligned.value), text));
    }
    if tiles.is_empty() {
        return;
    }
    let tile_count = tiles.len();
    let tuned = group
        .entries
        .iter()
        .filter(|entry| entry.model != ModelLabel::Base);
    let others = tuned.count() - last.len();
    markup.element("div", &[("class", &"headline")], |markup| {
        let prompts = counted(group.prompts, "prompt");
        let kind = if group.held_out {
            " that nothing was selected from"
        } else {
            ""
        };
        let sentence = format!(
            "Aligned images of {prompts}{kind} ({}), with {} intervals{}",
            counted(group.images, "image"),
            confidence(group.confidence),
            if tile_count > 1 {
                " and paired differences to the base."
            } else {
                "."
            },
        );
        markup.leaf("p", &[], sentence);
        markup.element("dl", &[], |markup| {
            for (name, value, text) in tiles {
                markup.element("div", &[], |markup| {
                    markup.leaf("dt", &[], short(&name, 80));
                    markup.leaf("dd", &[("class", &"big")], value);
                    markup.leaf("dd", &[("class", &"small")], text);
                });
            }
        });
        if others > 0 {
            let text = format!(
                "{} in the table below.",
                counted(others as u64, "more tuned model")
            );
            markup.leaf("p", &[("class", &"left-out")], text);
        }
    });
}

/// The tuned models of the last round, at most seven.
fn last_round(group: &AlignmentGroup) -> Vec<&AlignmentEntry> {
    let round = |entry: &AlignmentEntry| match &entry.model {
        ModelLabel::Base => None,
        ModelLabel::Tuned { round, .. } => Some(round.unwrap_or(u32::MAX)),
    };
    let last = group.entries.iter().filter_map(round).max();
    let of_last = group
        .entries
        .iter()
        .filter(|entry| last.is_some() && round(entry) == last);
    of_last.take(7).collect()
}

/// Says in words on which side of 0 an interval lies.
pub(super) fn side(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Above => "above 0",
        Verdict::Below => "below 0",
        Verdict::Includes => "includes 0",
    }
}

fn facts(markup: &mut Markup, run: &RunFacts) {
    let mut facts: Vec<(String, String)> = vec![("started".to_owned(), time(run.started))];
    if let Some(ended) = run.ended {
        let seconds = ended.0.saturating_sub(run.started.0) as f64 / 1000.0;
        facts.push(("took".to_owned(), duration(seconds)));
    }
    let stages = run.computed + run.reused;
    facts.push((
        "stages".to_owned(),
        format!(
            "{}: {} computed, {} from the store",
            counted(stages as u64, "result"),
            run.computed,
            run.reused
        ),
    ));
    facts.push((
        "cost".to_owned(),
        format!(
            "{} computed, {} spared by the store",
            duration(run.cost_computed),
            duration(run.cost_reused)
        ),
    ));
    for (name, values) in &run.producers {
        facts.push(((*name).to_owned(), values.join(", ")));
    }
    // What the results themselves say of version and device goes before what the program noted.
    let known = |name: &str| facts.iter().any(|(known, _)| known == name);
    let noted: Vec<(String, String)> = run
        .details
        .iter()
        .filter(|(name, value)| !known(name) && !value.is_empty())
        .cloned()
        .collect();
    facts.extend(noted);
    markup.element("dl", &[("class", &"run")], |markup| {
        for (name, value) in facts {
            markup.element("div", &[], |markup| {
                markup
                    .leaf("dt", &[], short(&name, 40))
                    .leaf("dd", &[], short(&value, 300));
            });
        }
    });
}
