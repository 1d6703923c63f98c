//! The best and the worst candidate of a prompt by each score.

use super::format::{count, number, short};
use super::judgements::judgements;
use super::markup::Markup;
use super::parts::{body, prompt, table};
use super::picture::picture;
use crate::inspect::report::model::{Extreme, Report};

/// Adds a table of prompts and scores.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(extremes) = &report.extremes else { return };
    let text = format!(
        "Of all candidates of a prompt, the one each score puts first and the one it puts last: {} of {} prompts.",
        extremes.prompts.len(),
        count(extremes.prompts_in_all as u64)
    );
    markup.leaf("p", &[], text);
    let caption = "Highest and lowest candidate of each prompt, with their scores";
    table(markup, caption, "pairs", |markup| {
        markup.raw("<thead><tr><th scope=\"col\">prompt</th>");
        for score in &extremes.scores {
            markup.element("th", &[("scope", &"col")], |markup| {
                markup
                    .leaf("code", &[], score)
                    .raw("<span class=\"ends\">best, worst</span>");
            });
        }
        markup.raw("</tr></thead>");
        body(markup, &extremes.prompts, |markup, shown| {
            markup.element("th", &[("scope", &"row")], |markup| prompt(markup, &shown.text));
            for ends in &shown.ends {
                markup.raw("<td>");
                for (place, extreme) in ["Best", "Worst"].into_iter().zip(ends.iter().flatten()) {
                    one(markup, place, extreme, &shown.text);
                }
                markup.raw("</td>");
            }
        });
    });
}

fn one(markup: &mut Markup, place: &str, extreme: &Extreme, prompt: &str) {
    markup.element("span", &[("class", &"extreme")], |markup| {
        let prompt = short(prompt, 100);
        let subject = format!("{place} candidate, number {}, of {prompt}", extreme.seed_index);
        picture(markup, &extreme.picture, &subject);
        markup.leaf("span", &[("class", &"under score")], number(extreme.score));
        judgements(markup, &extreme.picture.judgements);
    });
}
