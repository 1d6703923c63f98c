//! Loss curves.

use super::chart::Chart;
use super::format::{count, counted, number, short};
use super::markup::Markup;
use super::parts::{origin, section};
use super::scale::{labelled, range, rounded, ticks};
use super::series::{Point, Series, Spread};
use crate::report::model::{LossCurve, Report};

/// Says whether anything was trained.
pub(super) fn present(report: &Report) -> bool {
    !report.losses.is_empty()
}

/// Adds one chart for each training, all on the same axis.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    section(markup, "loss", "Loss of each training", |markup| {
        markup.raw(
            "<p>Mean loss over runs of steps and, as a band, the lowest and highest loss within. The loss of a \
             diffusion model is noisy, as each step draws its own timesteps. All charts share their vertical axis.</p>",
        );
        let curves = || report.losses.iter().flat_map(|curve| &curve.points);
        let highest = curves().map(|point| point.highest);
        let lowest = curves().map(|point| point.lowest);
        let Some(y) = range(highest.chain(lowest)).map(|ends| rounded(ends, 4)) else {
            return;
        };
        markup.element("div", &[("class", &"charts")], |markup| {
            for curve in &report.losses {
                markup.element("figure", &[], |markup| {
                    markup.element("figcaption", &[], |markup| {
                        origin(markup, &curve.origin);
                        markup.text(format!(
                            ": {}, mean loss {} over the first tenth, {} over the last",
                            counted(curve.steps, "step"),
                            number(curve.first),
                            number(curve.last)
                        ));
                    });
                    chart(curve, y).draw(markup);
                    if curve.left_out > 0 {
                        let text = format!(
                            "{} whose loss is no finite number: not in the chart.",
                            counted(curve.left_out as u64, "step")
                        );
                        markup.leaf("p", &[("class", &"left-out")], text);
                    }
                });
            }
        });
    });
}

fn chart(curve: &LossCurve, y: [f64; 2]) -> Chart {
    let points: Vec<Point> = curve
        .points
        .iter()
        .map(|point| Point {
            x: point.step,
            y: point.mean,
            low: point.lowest,
            high: point.highest,
        })
        .collect();
    let x = [0.0, curve.steps as f64 + curve.left_out as f64];
    Chart {
        description: format!(
            "Loss of {} over {}: from {} to {}",
            short(&curve.names.join(", "), 120),
            counted(curve.steps, "step"),
            number(curve.first),
            number(curve.last)
        ),
        x_label: "step",
        y_label: "loss",
        x,
        y,
        x_ticks: ticks(x, 5)
            .0
            .into_iter()
            .map(|value| (value, count(value as u64)))
            .collect(),
        y_ticks: labelled(y, 4),
        reference: None,
        series: vec![Series {
            name: "loss".to_owned(),
            spread: Spread::Band,
            points,
            style: 0,
        }],
    }
}
