//! How well every timestep of a score finds aligned images, beside the weight it has.

use super::bar::BarAxis;
use super::chart::{Axis, Chart, Series, Spread};
use super::ends::ends;
use super::format::percent;
use super::markup::Markup;
use super::parts::{THREE, body, estimate, head, table};
use crate::inspect::report::model::{Interval, PoolScores, TimestepTerm, Timesteps};

/// The area under the curve of chance.
const CHANCE: f64 = 0.5;

/// Adds a chart and a table for each score whose terms are kept.
pub(super) fn add(markup: &mut Markup, pool: &PoolScores) {
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

fn terms(markup: &mut Markup, score: &Timesteps) {
    let caption = format!(
        "Timesteps of {}: share of the weight, share of the size of all terms, and AUC within a prompt, with intervals \
         from at most 1,000 resamples; the dotted line is chance",
        score.score
    );
    let areas = score.terms.iter().flat_map(|term| [&term.auc, &term.auc_down_to]);
    let axis = BarAxis::of(areas.flatten());
    table(markup, &caption, "estimates", |markup| {
        let columns = [
            ("timestep", "number"),
            ("weight", "number"),
            ("size", "number"),
            ("AUC alone", "number"),
            ("AUC down to it", "number"),
        ];
        head(markup, &columns);
        body(markup, &score.terms, |markup, term| {
            markup.leaf("th", &[("scope", &"row"), ("class", &"number")], term.timestep);
            for share in [term.weight, term.share] {
                markup.leaf("td", &[("class", &"number")], percent(share));
            }
            estimate(markup, term.auc.as_ref(), THREE, axis);
            estimate(markup, term.auc_down_to.as_ref(), THREE, axis);
        });
    });
}

fn chart(score: &Timesteps) -> Option<Chart> {
    let series = vec![
        series(score, "term alone", |term| term.auc),
        series(score, "sum down to it", |term| term.auc_down_to),
    ];
    let points = || series.iter().flat_map(|series| &series.points);
    points().nth(1)?;
    let reached = points().flat_map(|[_, _, low, high]| [*low, *high, CHANCE]);
    let y = ends(reached)?;
    let [last, first] = ends(score.terms.iter().map(|term| f64::from(term.timestep)))?;
    let heaviest = score.terms.iter().max_by(|a, b| a.weight.total_cmp(&b.weight))?;
    Some(Chart {
        description: format!(
            "AUC by timestep of {}; timestep {} has {} of the weight; the table below holds the numbers",
            score.score,
            heaviest.timestep,
            percent(heaviest.weight)
        ),
        x: Axis::linear("timestep (noise to image)", [first, last]),
        y: Axis::linear("AUC within a prompt", y),
        reference: Some(CHANCE),
        spread: Spread::Whiskers,
        series,
    })
}

fn series(score: &Timesteps, name: &str, of: fn(&TimestepTerm) -> Option<Interval>) -> Series {
    let points = score.terms.iter().filter_map(|term| {
        let area = of(term)?;
        Some([f64::from(term.timestep), area.value, area.low, area.high])
    });
    Series {
        name: name.to_owned(),
        points: points.collect(),
    }
}
