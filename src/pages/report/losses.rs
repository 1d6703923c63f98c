//! Loss curves.

use super::chart::{Axis, Chart, Series, Spread};
use super::ends::ends;
use super::format::{counted, number, short};
use super::markup::Markup;
use super::parts::{left_out, origin};
use crate::inspect::report::model::{LossCurve, Report};

/// Adds one chart for each training, all on the same axis.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let points = report.losses.iter().flat_map(|curve| &curve.points);
    let Some(y) = ends(points.flat_map(|point| [point.lowest, point.highest])) else {
        return;
    };
    markup.raw(
        "<p>Mean loss over runs of steps and, as a band, the lowest and highest loss within. The loss of a \
         diffusion model is noisy, as each step draws its own timesteps. All charts share their vertical axis.</p>",
    );
    markup.element("div", &[("class", &"charts")], |markup| {
        for curve in &report.losses {
            markup.element("figure", &[], |markup| figure(markup, curve, y));
        }
    });
}

fn figure(markup: &mut Markup, curve: &LossCurve, y: [f64; 2]) {
    markup.element("figcaption", &[], |markup| {
        origin(markup, &curve.origin);
        markup.text(format!(
            ": {}, mean loss {} over the first tenth, {} over the last",
            counted(curve.steps, "step"),
            number(curve.first),
            number(curve.last)
        ));
    });
    let chart = chart(curve, y);
    chart.draw(markup);
    let why = " whose loss is no finite number: not in the chart.";
    left_out(markup, curve.left_out, "step", why);
    chart.numbers(markup);
}

fn chart(curve: &LossCurve, y: [f64; 2]) -> Chart {
    let points = curve.points.iter();
    Chart {
        description: format!(
            "Loss of {} over {}: from {} to {}",
            short(&curve.names.join(", "), 120),
            counted(curve.steps, "step"),
            number(curve.first),
            number(curve.last)
        ),
        x: Axis::linear("step", [0.0, curve.steps as f64 + curve.left_out as f64]),
        y: Axis::linear("loss", y),
        reference: None,
        spread: Spread::Band,
        series: vec![Series {
            name: "loss".to_owned(),
            points: points
                .map(|point| [point.step, point.mean, point.lowest, point.highest])
                .collect(),
        }],
    }
}
