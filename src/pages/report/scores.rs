//! How well scores find aligned images.

use super::bar::BarAxis;
use super::failures;
use super::format::counted;
use super::markup::Markup;
use super::parts::{POINTS, SHARES, THREE, body, confidence, estimate, head, model_phrase, origin, table};
use super::timesteps;
use crate::inspect::report::model::{Agreement, Interval, MeasuredScore, PoolScores, Report};

/// Adds the power of every score in every pool; pools after the first are folded.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(scores) = &report.scores else { return };
    markup.raw(
        "<p>Candidates are ranked within their prompt. AUC is the chance that an aligned candidate scores above \
         one that is not (0.5 is no better than chance); top-1 and worst-1 are the shares of prompts whose \
         highest and lowest candidate is aligned; gain is top-1 less the share a random choice would have. \
         Kendall's tau-b is between score and alignment, over prompts where neither is the same throughout.</p>",
    );
    for (number, pool) in scores.pools.iter().enumerate() {
        if number == 0 {
            markup.element("h3", &[], |markup| heading(markup, pool));
            add_pool(markup, pool);
        } else {
            markup.element("details", &[], |markup| {
                markup.element("summary", &[], |markup| heading(markup, pool));
                add_pool(markup, pool);
            });
        }
    }
    if scores.left_out > 0 {
        let text = format!(
            "{} of candidates not measured here.",
            counted(scores.left_out as u64, "more pool")
        );
        markup.leaf("p", &[("class", &"muted")], text);
    }
}

fn heading(markup: &mut Markup, pool: &PoolScores) {
    markup.text(format!(
        "Candidates of {}: {}, {} ",
        model_phrase(&pool.model),
        counted(pool.prompts, "prompt"),
        counted(pool.images, "image")
    ));
    origin(markup, &pool.candidates);
    markup.raw(" <span class=\"muted\">judged by</span> ");
    origin(markup, &pool.evaluation);
}

fn add_pool(markup: &mut Markup, pool: &PoolScores) {
    let caption = format!(
        "Power of each score, with {} intervals over prompts; the dotted line is chance",
        confidence(pool.confidence)
    );
    let axis = |of: fn(&MeasuredScore) -> Option<&Interval>| BarAxis::of(pool.scores.iter().filter_map(of));
    let auc = axis(|score| score.auc.as_ref());
    let gain = axis(|score| score.gain.as_ref());
    table(markup, &caption, "estimates", |markup| {
        head(
            markup,
            &[
                ("score", ""),
                ("AUC", "number"),
                ("top-1 aligned", "number"),
                ("worst-1 aligned", "number"),
                ("gain", "number"),
                ("Kendall tau-b", "number"),
                ("stage", ""),
            ],
        );
        body(markup, &pool.scores, |markup, score| {
            score_name(markup, score);
            estimate(markup, score.auc.as_ref(), THREE, auc);
            estimate(markup, score.top_1.as_ref(), SHARES, None);
            estimate(markup, score.worst_1.as_ref(), SHARES, None);
            estimate(markup, score.gain.as_ref(), POINTS, gain);
            estimate(markup, score.tau.as_ref(), THREE, None);
            markup.element("td", &[], |markup| origin(markup, &score.origin));
        });
    });
    by_failure(markup, pool);
    timesteps::add(markup, pool);
    agreement(markup, pool);
}

fn score_name(markup: &mut Markup, score: &MeasuredScore) {
    markup.element("th", &[("scope", &"row")], |markup| {
        markup.leaf("code", &[], &score.name);
    });
}

fn by_failure(markup: &mut Markup, pool: &PoolScores) {
    if pool.failures.is_empty() {
        return;
    }
    let names: Vec<String> = pool.failures.iter().map(|word| failures::name(word)).collect();
    let all = pool.scores.iter().flat_map(|score| &score.by_failure);
    let axis = BarAxis::of(all.flatten());
    let caption = "AUC against each kind of failure, over prompts that have both aligned images and images of that kind";
    table(markup, caption, "estimates", |markup| {
        let mut columns = vec![("score", "")];
        columns.extend(names.iter().map(|name| (name.as_str(), "number")));
        head(markup, &columns);
        body(markup, &pool.scores, |markup, score| {
            score_name(markup, score);
            for area in &score.by_failure {
                estimate(markup, area.as_ref(), THREE, axis);
            }
        });
    });
}

fn agreement(markup: &mut Markup, pool: &PoolScores) {
    if pool.agreements.is_empty() {
        return;
    }
    markup.raw("<details><summary>How scores agree with each other</summary>");
    let caption = "Kendall's tau-b between two scores within a prompt, and by how much the second one's AUC exceeds the first one's";
    table(markup, caption, "estimates", |markup| {
        let columns = [
            ("first", ""),
            ("second", ""),
            ("tau-b", "number"),
            ("AUC gain", "number"),
        ];
        head(markup, &columns);
        let axis =
            |of: fn(&Agreement) -> Option<&Interval>| BarAxis::of(pool.agreements.iter().filter_map(of));
        let taus = axis(|one| one.tau_b.as_ref());
        let gains = axis(|one| one.auc_gain.as_ref());
        body(markup, &pool.agreements, |markup, one| {
            markup
                .raw("<th scope=\"row\">")
                .leaf("code", &[], &one.first)
                .raw("</th>");
            markup.raw("<td>").leaf("code", &[], &one.second).raw("</td>");
            estimate(markup, one.tau_b.as_ref(), THREE, taus);
            estimate(markup, one.auc_gain.as_ref(), THREE, gains);
        });
    });
    markup.raw("</details>");
}
