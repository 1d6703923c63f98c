//! The page of a report. Sections without data add nothing.

mod alignment;
mod alignment_chart;
mod chart;
mod extremes;
mod failures;
mod format;
mod gallery;
mod interval_bar;
mod losses;
mod markup;
mod mi_axis;
mod notes;
mod over_seeds;
mod parts;
mod picture;
mod power;
mod provenance;
mod scale;
mod series;
mod side_by_side;
mod summary;
mod timesteps;
mod traces;

use super::model::Report;
use markup::Markup;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A part of the page: anchor, name in the table of contents, whether there is anything to show, and how.
type Section = (
    &'static str,
    &'static str,
    fn(&Report) -> bool,
    fn(&mut Markup, &Report),
);

const SECTIONS: [Section; 9] = [
    ("alignment", "Alignment", alignment::present, alignment::add),
    ("failures", "Failures", failures::present, failures::add),
    (
        "compared",
        "Base and tuned",
        side_by_side::present,
        side_by_side::add,
    ),
    ("power", "Scores", power::present, power::add),
    ("candidates", "Candidates", gallery::present, gallery::add),
    ("extremes", "Best and worst", extremes::present, extremes::add),
    ("trace", "MI over timesteps", traces::present, traces::add),
    ("loss", "Loss", losses::present, losses::add),
    ("provenance", "Provenance", provenance::present, provenance::add),
];

/// Writes the page.
pub(super) fn page(report: &Report) -> String {
    let mut markup = Markup::default();
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
    summary::header(&mut markup, report);
    contents(&mut markup, report);
    markup.raw("\n<main>\n");
    notes::add(&mut markup, report);
    for (_, _, present, add) in SECTIONS {
        if present(report) {
            add(&mut markup, report);
            markup.raw("\n");
        }
    }
    markup.raw("</main>\n<script nonce=\"report\">\n").raw(SCRIPT);
    markup.raw("</script>\n</body>\n</html>\n");
    markup.into_string()
}

fn contents(markup: &mut Markup, report: &Report) {
    markup.raw("<nav aria-label=\"Contents\"><ul>");
    for (anchor, name, present, _) in SECTIONS {
        if present(report) {
            markup.element("li", &[], |markup| {
                markup.leaf("a", &[("href", &format!("#{anchor}"))], name);
            });
        }
    }
    markup.raw("</ul></nav>");
}
