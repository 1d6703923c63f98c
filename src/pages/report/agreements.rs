//! How far columns about the same candidates agree, and what choosing by one is worth to another.

use super::bar::BarAxis;
use super::chart::{Axis, Chart, Series, Spread};
use super::ends::ends;
use super::format::{counted, decimal, short};
use super::markup::Markup;
use super::parts::{
    CHANGES, NUMBERS, SHARES, THREE, body, confidence, difference, estimate, head, origin, table,
};
use crate::inspect::report::model::{
    AgreedColumns, AgreedPair, ChooserCurve, Interval, JudgedChoices, Report,
};

/// Characters of the name of a column that are shown.
const NAME: usize = 80;

/// Adds tables and curves for each stage that measured agreement.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.agreements.is_empty() {
        return;
    }
    markup.raw(
        "<p>Kendall's tau within a prompt is 1 where two columns order its candidates alike, -1 where they order them the \
         other way round, and 0 by chance. Tau-a counts ties as no agreement, tau-b leaves them out and has no value for a \
         prompt where a column is constant. The best candidate is the same where both columns put it first; ties are \
         shared out. Intervals resample prompts; tau over all candidates has none.</p>\
         <p>A curve shows what a judge is expected to say of the best of n candidates by another column, over all choices \
         of n candidates of a prompt. The best of 1 is a random choice.</p>",
    );
    for agreement in &report.agreements {
        add_agreement(markup, agreement);
    }
}

fn add_agreement(markup: &mut Markup, agreement: &AgreedColumns) {
    markup.element("h3", &[], |markup| {
        markup.text(format!(
            "{}, {} ",
            counted(agreement.prompts, "prompt"),
            counted(agreement.candidates, "candidate")
        ));
        markup.raw("<span class=\"muted\">from</span> ");
        origin(markup, &agreement.origin);
    });
    if !agreement.ranks.is_empty() {
        let ranks: Vec<String> = agreement.ranks.iter().map(u32::to_string).collect();
        let ranks = format!("Of every prompt the candidates of rank {} by ", ranks.join(", "));
        markup.element("p", &[], |markup| {
            markup.text(short(&ranks, 200));
            markup
                .leaf("code", &[], short(&agreement.ranked_by, NAME))
                .text(".");
        });
    }
    if !agreement.lower_is_better.is_empty() {
        let lower = format!("Lower is better in {}.", agreement.lower_is_better.join(", "));
        markup.leaf("p", &[], short(&lower, 400));
    }
    pairs(markup, agreement);
    markup.element("div", &[("class", &"charts two")], |markup| {
        for judge in &agreement.judges {
            if let Some(chart) = chart(judge) {
                markup.element("figure", &[], |markup| {
                    markup.element("figcaption", &[], |markup| {
                        markup.raw("Best of n, judged by ");
                        markup.leaf("code", &[], short(&judge.judge, NAME));
                    });
                    chart.draw(markup);
                    chart.numbers(markup);
                });
            }
        }
    });
    gains(markup, agreement);
}

fn pairs(markup: &mut Markup, agreement: &AgreedColumns) {
    let caption = format!(
        "Agreement of every two columns, with {} intervals; the dotted line is chance",
        confidence(agreement.confidence)
    );
    let axis = |of: fn(&AgreedPair) -> Option<&Interval>| BarAxis::of(agreement.pairs.iter().filter_map(of));
    let taus = axis(|pair| pair.tau_b.as_ref());
    let same = axis(|pair| pair.same_best.as_ref());
    table(markup, &caption, "estimates", |markup| {
        let columns = [
            ("first", ""),
            ("second", ""),
            ("tau-a", "number"),
            ("tau-b", "number"),
            ("tau-b over all", "number"),
            ("same best", "number"),
        ];
        head(markup, &columns);
        body(markup, &agreement.pairs, |markup, pair| {
            column_name(markup, &pair.first);
            second_name(markup, &pair.second);
            estimate(markup, pair.tau_a.as_ref(), THREE, None);
            estimate(markup, pair.tau_b.as_ref(), THREE, taus);
            match pair.overall {
                Some(tau) => {
                    markup.leaf("td", &[("class", &"number")], decimal(tau, 3));
                }
                None => estimate(markup, None, THREE, None),
            }
            estimate(markup, pair.same_best.as_ref(), SHARES, same);
        });
    });
}

/// Adds what the best of all candidates gains over a random choice.
fn gains(markup: &mut Markup, agreement: &AgreedColumns) {
    let rows: Vec<(&JudgedChoices, &ChooserCurve)> = agreement
        .judges
        .iter()
        .flat_map(|judge| judge.choosers.iter().map(move |chooser| (judge, chooser)))
        .collect();
    if rows.is_empty() {
        return;
    }
    let caption = format!(
        "What the best of most candidates is worth to each judge, and what that gains over a random choice, with {} intervals",
        confidence(agreement.confidence)
    );
    table(markup, &caption, "estimates", |markup| {
        let columns = [
            ("judge", ""),
            ("chosen by", ""),
            ("of", "number"),
            ("random choice", "number"),
            ("value", "number"),
            ("gain", "number"),
            ("interval", ""),
        ];
        head(markup, &columns);
        body(markup, rows, |markup, (judge, chooser)| {
            column_name(markup, &judge.judge);
            second_name(markup, &chooser.chooser);
            let last = chooser.points.last();
            let of = last.map_or_else(String::new, |point| point.n.to_string());
            markup.leaf("td", &[("class", &"number")], of);
            estimate(markup, judge.random.as_ref(), NUMBERS, None);
            estimate(markup, last.map(|point| &point.value), NUMBERS, None);
            difference(markup, last.map(|point| &point.gain), CHANGES, None);
        });
    });
}

fn column_name(markup: &mut Markup, name: &str) {
    markup
        .raw("<th scope=\"row\">")
        .leaf("code", &[], short(name, NAME))
        .raw("</th>");
}

fn second_name(markup: &mut Markup, name: &str) {
    markup
        .raw("<td>")
        .leaf("code", &[], short(name, NAME))
        .raw("</td>");
}

/// The curves of all columns that choose, and the line of a random choice.
fn chart(judge: &JudgedChoices) -> Option<Chart> {
    let mut series: Vec<Series> = judge.choosers.iter().map(curve).collect();
    let places: Vec<f64> = series.first()?.points.iter().map(|point| point[0]).collect();
    // The best of 1 alone is no curve.
    let &last = places.last().filter(|_| places.len() > 1)?;
    series.extend(judge.random.map(|Interval { value, low, high, .. }| Series {
        name: "at random".to_owned(),
        points: places.iter().map(|&place| [place, value, low, high]).collect(),
    }));
    let points = series.iter().flat_map(|series| &series.points);
    let y = ends(points.flat_map(|[_, _, low, high]| [*low, *high]))?;
    let choosers: Vec<String> = judge
        .choosers
        .iter()
        .map(|one| short(&one.chooser, NAME))
        .collect();
    Some(Chart {
        description: format!(
            "What {} says of the best of up to {} candidates by {}",
            short(&judge.judge, NAME),
            decimal(last, 0),
            short(&choosers.join(", "), 200)
        ),
        x: Axis::linear("candidates to choose from", [1.0, last]),
        y: Axis::linear("expected value", y),
        reference: None,
        spread: Spread::Band,
        series,
    })
}

fn curve(chooser: &ChooserCurve) -> Series {
    let points = chooser.points.iter().map(|point| {
        let Interval { value, low, high, .. } = point.value;
        [point.n as f64, value, low, high]
    });
    Series {
        name: format!("by {}", short(&chooser.chooser, NAME)),
        points: points.collect(),
    }
}
