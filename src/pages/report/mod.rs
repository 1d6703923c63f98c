//! The page of a report. Sections without data add nothing.

mod agreements;
mod alignment;
mod bar;
mod chart;
mod comparisons;
mod costs;
mod disagreements;
mod distributions;
mod ends;
mod extremes;
mod failures;
mod forgetting;
mod format;
mod gallery;
mod judgements;
mod losses;
mod markup;
mod notes;
mod over_seeds;
mod parts;
mod picture;
mod provenance;
mod rounds;
mod scores;
mod sets;
mod share_table;
mod side_by_side;
mod strip;
mod summary;
#[cfg(test)]
mod tests;
mod timesteps;
mod traces;

use crate::inspect::report::model::Report;
use markup::Markup;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A part of the page: anchor, name in the table of contents, heading, and what adds the rest of it, if there is any.
type Section = (&'static str, &'static str, &'static str, fn(&mut Markup, &Report));

const SECTIONS: [Section; 16] = [
    ("alignment", "Alignment", "Alignment", alignment::add),
    ("failures", "Failures", "How images fail", failures::add),
    (
        "comparisons",
        "Comparisons",
        "Arms compared by a column",
        comparisons::add,
    ),
    ("costs", "Costs", "What the arms took", costs::add),
    (
        "forgetting",
        "Forgetting",
        "Tuned on one group of prompts, tested on all",
        forgetting::add,
    ),
    (
        "distributions",
        "Distributions",
        "What judges say of each arm",
        distributions::add,
    ),
    ("agreement", "Agreement", "Agreement of judges", agreements::add),
    (
        "disagreements",
        "Disagreements",
        "Images that judges disagree on",
        disagreements::add,
    ),
    ("sets", "Sets", "Distances and diversity of sets", sets::add),
    (
        "compared",
        "Base and tuned",
        "Base and tuned on the same seeds",
        side_by_side::add,
    ),
    (
        "power",
        "Scores",
        "How well scores find aligned images",
        scores::add,
    ),
    ("candidates", "Candidates", "Candidates by score", gallery::add),
    (
        "extremes",
        "Best and worst",
        "Best and worst by each score",
        extremes::add,
    ),
    (
        "trace",
        "MI over timesteps",
        "Mutual information over timesteps",
        traces::add,
    ),
    ("loss", "Loss", "Loss of each training", losses::add),
    ("provenance", "Provenance", "Provenance", provenance::add),
];

/// Writes a report as one HTML page without references to other files.
pub(crate) fn report_page(report: &Report) -> String {
    let mut sections = Vec::new();
    for (anchor, name, heading, add) in SECTIONS {
        let mut body = Markup::default();
        add(&mut body, report);
        if !body.is_empty() {
            sections.push((anchor, name, heading, body));
        }
    }
    let mut markup = Markup::default();
    head(&mut markup, report);
    summary::header(&mut markup, report);
    markup.raw("<nav aria-label=\"Contents\"><ul>");
    for (anchor, name, _, _) in &sections {
        markup.element("li", &[], |markup| {
            markup.leaf("a", &[("href", &format!("#{anchor}"))], name);
        });
    }
    markup.raw("</ul></nav>\n<main>\n");
    notes::add(&mut markup, report);
    for (anchor, _, heading, body) in sections {
        section(&mut markup, anchor, heading, body);
    }
    markup.raw("</main>\n<script nonce=\"report\">\n").raw(SCRIPT);
    markup.raw("</script>\n</body>\n</html>\n");
    markup.into_string()
}

fn head(markup: &mut Markup, report: &Report) {
    markup.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    markup.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    markup.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    // Nothing may be loaded, even if text found a way to become markup.
    markup.raw(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'nonce-report'\">\n",
    );
    markup.leaf("title", &[], format::short(&report.title, 120));
    markup
        .raw("\n<style>\n")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n");
}

/// Adds a section with its heading; `id` is also its place in the table of contents.
fn section(markup: &mut Markup, id: &'static str, heading: &'static str, body: Markup) {
    let heading_id = format!("{id}-heading");
    markup.element(
        "section",
        &[("id", &id), ("aria-labelledby", &heading_id)],
        |markup| {
            markup.leaf("h2", &[("id", &heading_id)], heading).append(body);
        },
    );
    markup.raw("\n");
}
