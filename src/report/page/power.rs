//! How well scores find aligned images.

use mitune_stages::shapes::alignment::Failure;
use mitune_stages::statistics::bootstrap::Estimate;
use mitune_stages::statistics::ranking::RankingPower;

use super::failures;
use super::format::counted;
use super::interval_bar::BarAxis;
use super::markup::Markup;
use super::parts::{POINTS, SHARES, THREE, confidence, estimate, head, model_phrase, origin, section, table};
use super::timesteps;
use crate::report::model::{MeasuredScore, PoolPower, Report};

/// Says whether any score was measured.
pub(super) fn present(report: &Report) -> bool {
    !report.power.is_empty()
}

/// Adds the power of every score in every pool; pools after the first are folded.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    section(markup, "power", "How well scores find aligned images", |markup| {
        markup.raw(
            "<p>Candidates are ranked within their prompt. AUC is the chance that an aligned candidate scores above \
             one that is not (0.5 is no better than chance); top-1 and worst-1 are the shares of prompts whose \
             highest and lowest candidate is aligned; gain is top-1 less the share a random choice would have. \
             Kendall's tau-b is between score and alignment, over prompts where neither is the same throughout.</p>",
        );
        for (number, pool) in report.power.iter().enumerate() {
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
        if report.pools_left_out > 0 {
            let text = format!(
                "{} of candidates not measured here.",
                counted(report.pools_left_out as u64, "more pool")
            );
            markup.leaf("p", &[("class", &"muted")], text);
        }
    });
}

fn heading(markup: &mut Markup, pool: &PoolPower) {
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

fn add_pool(markup: &mut Markup, pool: &PoolPower) {
    let caption = format!(
        "Power of each score, with {} intervals over prompts; the dotted line is chance",
        confidence(pool.confidence)
    );
    let overall = |of: fn(&RankingPower) -> Option<&Estimate>, reference| {
        BarAxis::of(
            pool.scores.iter().filter_map(|score| of(&score.power.overall)),
            reference,
        )
    };
    let auc = overall(|power| power.auc.as_ref(), Some(0.5));
    let gain = overall(|power| power.gain.as_ref(), Some(0.0));
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
        markup.raw("<tbody>");
        for score in &pool.scores {
            let power = &score.power.overall;
            markup.element("tr", &[], |markup| {
                score_name(markup, score);
                estimate(markup, power.auc.as_ref(), THREE, auc);
                estimate(markup, power.top_1.as_ref(), SHARES, None);
                estimate(markup, power.worst_1.as_ref(), SHARES, None);
                estimate(markup, power.gain.as_ref(), POINTS, gain);
                estimate(markup, score.tau.as_ref(), THREE, None);
                markup.element("td", &[], |markup| origin(markup, &score.origin));
            });
        }
        markup.raw("</tbody>");
    });
    by_failure(markup, pool);
    timesteps::add(markup, pool);
    agreement(markup, pool);
}

fn score_name(markup: &mut Markup, score: &MeasuredScore) {
    markup.element("th", &[("scope", &"row")], |markup| {
        markup.leaf("code", &[], &score.power.score);
    });
}

fn by_failure(markup: &mut Markup, pool: &PoolPower) {
    let occurs = |failure: &Failure| {
        pool.scores
            .iter()
            .any(|score| score.power.by_failure.contains_key(failure))
    };
    let failures: Vec<Failure> = Failure::ALL.into_iter().filter(occurs).collect();
    if failures.is_empty() {
        return;
    }
    let auc = |score: &'_ MeasuredScore, failure: Failure| {
        score.power.by_failure.get(&failure).and_then(|power| power.auc)
    };
    let all: Vec<Estimate> = pool
        .scores
        .iter()
        .flat_map(|score| failures.iter().filter_map(move |&failure| auc(score, failure)))
        .collect();
    let axis = BarAxis::of(&all, Some(0.5));
    let caption = "AUC against each kind of failure, over prompts that have both aligned images and images of that kind";
    table(markup, caption, "estimates", |markup| {
        let mut columns = vec![("score", "")];
        columns.extend(
            failures
                .iter()
                .map(|&failure| (failures::name(failure), "number")),
        );
        head(markup, &columns);
        markup.raw("<tbody>");
        for score in &pool.scores {
            markup.element("tr", &[], |markup| {
                score_name(markup, score);
                for &failure in &failures {
                    estimate(markup, auc(score, failure).as_ref(), THREE, axis);
                }
            });
        }
        markup.raw("</tbody>");
        markup.raw("<tfoot><tr><th scope=\"row\">prompts</th>");
        for &failure in &failures {
            let prompts = pool
                .scores
                .iter()
                .find_map(|score| auc(score, failure))
                .map_or(0, |auc| auc.clusters);
            markup.leaf("td", &[("class", &"number")], super::format::count(prompts));
        }
        markup.raw("</tr></tfoot>");
    });
}

fn agreement(markup: &mut Markup, pool: &PoolPower) {
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
        let all = |of: fn(&PoolPower) -> Vec<Estimate>, reference| BarAxis::of(&of(pool), reference);
        let taus = all(
            |pool| pool.agreements.iter().filter_map(|one| one.tau_b).collect(),
            Some(0.0),
        );
        let gains = all(
            |pool| pool.agreements.iter().filter_map(|one| one.auc_gain).collect(),
            Some(0.0),
        );
        markup.raw("<tbody>");
        for one in &pool.agreements {
            markup.element("tr", &[], |markup| {
                markup
                    .raw("<th scope=\"row\">")
                    .leaf("code", &[], &one.first)
                    .raw("</th>");
                markup.raw("<td>").leaf("code", &[], &one.second).raw("</td>");
                estimate(markup, one.tau_b.as_ref(), THREE, taus);
                estimate(markup, one.auc_gain.as_ref(), THREE, gains);
            });
        }
        markup.raw("</tbody>");
    });
    markup.raw("</details>");
}
