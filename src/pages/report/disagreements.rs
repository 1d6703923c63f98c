//! Candidates that two columns rank most differently.

use super::format::{decimal, number, short};
use super::judgements::judgements;
use super::markup::Markup;
use super::parts::{body, head, model_phrase, origin, prompt, table};
use super::picture::picture;
use crate::inspect::report::model::{Disagreement, RankedValue, Report};

/// Characters of the name of a column that are shown.
const NAME: usize = 60;

/// Adds a row for each candidate.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(found) = &report.disagreements else {
        return;
    };
    markup.element("p", &[], |markup| {
        markup.text(format!(
            "The candidates of {} from ",
            model_phrase(&found.model)
        ));
        origin(markup, &found.origin);
        markup.raw(
            " whose ranks among the candidates of their prompt differ most between two columns, one of them a judge's. \
             Rank 1 is the best; equal ones share the mean of their ranks.",
        );
    });
    let caption = "Candidates that two columns rank most differently, with what each says of them";
    table(markup, caption, "pairs", |markup| {
        let columns = [
            ("prompt", ""),
            ("candidate", ""),
            ("one column", ""),
            ("the other", ""),
            ("all judges", ""),
        ];
        head(markup, &columns);
        body(markup, &found.candidates, row);
    });
}

fn row(markup: &mut Markup, one: &Disagreement) {
    markup.element("th", &[("scope", &"row")], |markup| prompt(markup, &one.prompt));
    markup.raw("<td>");
    markup.element("span", &[("class", &"extreme")], |markup| {
        let subject = format!("Candidate {} of {}", one.seed_index, short(&one.prompt, 100));
        picture(markup, &one.picture, &subject);
    });
    markup.raw("</td>");
    for side in &one.sides {
        markup.element("td", &[], |markup| ranked(markup, side, one.of));
    }
    markup.element("td", &[], |markup| judgements(markup, &one.picture.judgements));
}

fn ranked(markup: &mut Markup, side: &RankedValue, of: usize) {
    markup.leaf("code", &[], short(&side.column, NAME)).raw(" ");
    markup.leaf("span", &[("class", &"value")], number(side.value));
    let decimals = usize::from(side.rank.fract() != 0.0);
    let rank = format!("rank {} of {of}", decimal(side.rank, decimals));
    markup.leaf("span", &[("class", &"change")], rank);
}
