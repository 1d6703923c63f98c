//! The head of the page: what ran, and what came of it.

use mitune_store::RunStatus;

use super::format::{counted, duration, hundredths, interval, percent, points, short, time};
use super::markup::Markup;
use super::parts::{confidence, left_out, model_name, side};
use crate::inspect::report::model::{Headline, Interval, Report, RunSummary};

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
    if let Some(found) = &report.headline {
        headline(markup, found);
    }
    facts(markup, run);
    markup.raw("</header>\n");
}

fn headline(markup: &mut Markup, headline: &Headline) {
    let base = headline.base.iter();
    let base = base.map(|aligned| ("base".to_owned(), aligned, interval(aligned, hundredths)));
    let models = headline.models.iter().map(|one| {
        let text = one.to_base.as_ref().map_or_else(
            || interval(&one.aligned, hundredths),
            |change| {
                let (value, interval) = (points(change.value), interval(change, points));
                format!("{value} points {interval}, {}", side(change))
            },
        );
        (model_name(&one.model), &one.aligned, text)
    });
    let tiles: Vec<(String, &Interval, String)> = base.chain(models).collect();
    markup.element("div", &[("class", &"headline")], |markup| {
        let prompts = counted(headline.prompts, "prompt");
        let kind = if headline.held_out {
            " that nothing was selected from"
        } else {
            ""
        };
        let sentence = format!(
            "Aligned images of {prompts}{kind} ({}), with {} intervals{}",
            counted(headline.images, "image"),
            confidence(headline.confidence),
            if tiles.len() > 1 {
                " and paired differences to the base."
            } else {
                "."
            },
        );
        markup.leaf("p", &[], sentence);
        markup.element("dl", &[], |markup| {
            for (name, aligned, text) in tiles {
                markup.element("div", &[], |markup| {
                    markup.leaf("dt", &[], short(&name, 80));
                    markup.leaf("dd", &[("class", &"big")], percent(aligned.value));
                    markup.leaf("dd", &[("class", &"small")], text);
                });
            }
        });
        let why = " in the table below.";
        left_out(markup, headline.others, "more tuned model", why);
    });
}

fn facts(markup: &mut Markup, run: &RunSummary) {
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
