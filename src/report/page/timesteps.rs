//! How well every timestep of a score finds aligned images, beside the weight it has.

use mitune_stages::evaluation::timesteps::{TimestepPower, TimestepTerm};
use mitune_stages::statistics::bootstrap::Estimate;

use super::chart::Chart;
use super::interval_bar::BarAxis;
use super::markup::Markup;
use super::parts::{THREE, estimate, head, table};
use super::scale::{labelled, range, rounded};
use super::series::{Point, Series, Spread};
use crate::report::model::PoolPower;

/// Adds a chart and a table for each score whose terms are kept.
pub(super) fn add(markup: &mut Markup, pool: &PoolPower) {
    for score in &pool.timesteps {
        markup.raw("<details><summary>Power of every timestep of ");
        markup.leaf("code", &[], &score.score).raw("</summary>");
        markup.raw(
            "<p>A score joins one term for each timestep. The line is the AUC of the term alone, the other that of \
             the sum of terms from the noisiest timestep down to this one, which is what the score would be without \
             the steps after it.</p>",
        );
        if let Some(chart) = chart(score) {
            markup.element("figure", &[], |markup| chart.draw(markup));
        }
        terms(markup, score);
        markup.raw("</details>");
    }
}

fn terms(markup: &mut Markup, score: &TimestepPower) {
    let caption = format!(
        "Timesteps of {}: share of the weight, share of the size of all terms, and AUC within a prompt, with intervals \
         from at most 1,000 resamples; the dotted line is chance",
        score.score
    );
    let all = score.timesteps.iter();
    let areas: Vec<Estimate> = all
        .flat_map(|term| [term.auc, term.auc_down_to])
        .flatten()
        .collect();
    let axis = BarAxis::of(&areas, Some(0.5));
    table(markup, &caption, "estimates", |markup| {
        let columns = [
            ("timestep", "number"),
            ("weight", "number"),
            ("size", "number"),
            ("AUC alone", "number"),
            ("AUC down to it", "number"),
        ];
        head(markup, &columns);
        markup.raw("<tbody>");
        for term in &score.timesteps {
            markup.element("tr", &[], |markup| {
                markup.leaf("th", &[("scope", &"row"), ("class", &"number")], term.timestep);
                for share in [term.weight, term.share] {
                    markup.leaf("td", &[("class", &"number")], super::format::percent(share));
                }
                estimate(markup, term.auc.as_ref(), THREE, axis);
                estimate(markup, term.auc_down_to.as_ref(), THREE, axis);
            });
        }
        markup.raw("</tbody>");
    });
}

fn chart(score: &TimestepPower) -> Option<Chart> {
    let line = |name: &str, style, of: fn(&TimestepTerm) -> Option<Estimate>| Series {
        name: name.to_owned(),
        spread: Spread::Whiskers,
        points: score
            .timesteps
            .iter()
            .filter_map(|term| {
                let area = of(term)?;
                Some(Point {
                    x: f64::from(term.timestep),
                    y: area.value,
                    low: area.low,
                    high: area.high,
                })
            })
            .collect(),
        style,
    };
    let series = vec![
        line("term alone", 0, |term| term.auc),
        line("sum down to it", 1, |term| term.auc_down_to),
    ];
    let points = || series.iter().flat_map(|series| &series.points);
    points().nth(1)?;
    let y = rounded(range(points().flat_map(|point| [point.low, point.high, 0.5]))?, 5);
    let [last, first] = range(score.timesteps.iter().map(|term| f64::from(term.timestep)))?;
    let heaviest = score
        .timesteps
        .iter()
        .max_by(|a, b| a.weight.total_cmp(&b.weight))?;
    Some(Chart {
        description: format!(
            "AUC by timestep of {}; timestep {} has {} of the weight; the table below holds the numbers",
            score.score,
            heaviest.timestep,
            super::format::percent(heaviest.weight)
        ),
        x_label: "timestep (noise to image)",
        y_label: "AUC within a prompt",
        x: [first, last],
        y,
        x_ticks: labelled([last, first], 5),
        y_ticks: labelled(y, 5),
        reference: Some(0.5),
        series,
    })
}
