//! MI over the timesteps of sampling.

use super::chart::{Axis, Chart, Series, Spread};
use super::ends::ends;
use super::format::{count, counted, number};
use super::markup::Markup;
use super::parts::{left_out, model_phrase, origin};
use crate::inspect::report::model::{Report, Trace, TraceBand};

/// From which ratio of the largest to the smallest value the axis is logarithmic.
///
/// The weight of a step grows without bound towards the image, and on a linear axis all other steps would lie at 0.
const RATIO: f64 = 100.0;

/// Adds one chart for each pool.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(traces) = &report.traces else { return };
    markup.raw(
        "<p>What each step of sampling adds to a candidate's MI: the median over candidates and, as a band, the \
         middle half. Sampling runs from left to right.</p>",
    );
    markup.element("div", &[("class", &"charts")], |markup| {
        for trace in &traces.pools {
            markup.element("figure", &[], |markup| figure(markup, trace));
        }
    });
    let why = " of candidates of this run: no chart.";
    left_out(markup, traces.left_out, "more pool", why);
}

fn figure(markup: &mut Markup, trace: &Trace) {
    markup.element("figcaption", &[], |markup| {
        markup.text(format!("Candidates of {} ", model_phrase(&trace.model)));
        origin(markup, &trace.origin);
        // A single line has no legend.
        if let [only] = &trace.bands[..] {
            markup.text(format!(", {}", named(only)));
        }
    });
    let chart = chart(trace);
    if let Some(chart) = &chart {
        chart.draw(markup);
    }
    let why = " without a usable trace of these timesteps, without an evaluation or beyond the number that is \
               read: not in the chart.";
    left_out(markup, trace.left_out, "candidate", why);
    if let Some(chart) = &chart {
        chart.numbers(markup);
    }
}

fn chart(trace: &Trace) -> Option<Chart> {
    let quartiles = trace.bands.iter().flat_map(|band| &band.quartiles);
    let y = mi_axis(ends(quartiles.flatten().copied())?);
    let [last, first] = ends(trace.timesteps.iter().map(|&timestep| f64::from(timestep)))?;
    let bands: Vec<String> = trace
        .bands
        .iter()
        .filter_map(|band| {
            let steps = trace.timesteps.iter().zip(&band.quartiles);
            let (timestep, [_, peak, _]) =
                steps.max_by(|(_, one), (_, other)| one[1].total_cmp(&other[1]))?;
            let candidates = counted(band.candidates as u64, "candidate");
            Some(format!(
                "{} ({candidates}): median highest at timestep {timestep}, {}",
                band.name,
                number(*peak)
            ))
        })
        .collect();
    Some(Chart {
        description: format!("MI by timestep. {}", bands.join(". ")),
        x: Axis::linear("timestep (noise to image)", [first, last]),
        y,
        reference: None,
        spread: Spread::Band,
        series: trace.bands.iter().map(|band| series(trace, band)).collect(),
    })
}

fn series(trace: &Trace, band: &TraceBand) -> Series {
    let steps = trace.timesteps.iter().zip(&band.quartiles);
    Series {
        name: named(band),
        points: steps
            .map(|(&timestep, &[low, middle, high])| [f64::from(timestep), middle, low, high])
            .collect(),
    }
}

/// An axis that is linear from 0, or logarithmic where steps differ by orders of magnitude.
fn mi_axis([low, high]: [f64; 2]) -> Axis {
    // Negative values and zeros have no logarithm.
    if low > 0.0 && high / low >= RATIO {
        return Axis {
            labels: 6,
            step: 1.0,
            logarithmic: true,
            ..Axis::linear("MI of the step, logarithmic", [low, high])
        };
    }
    Axis::linear("MI of the step", [low.min(0.0), high.max(0.0)])
}

fn named(band: &TraceBand) -> String {
    format!("{} ({})", band.name, count(band.candidates as u64))
}

#[cfg(test)]
mod tests {
    use super::mi_axis;

    #[test]
    fn orders_of_magnitude_make_the_axis_logarithmic() {
        assert!(mi_axis([0.02, 450.0]).logarithmic);
        for values in [[2.0, 3.0], [-1.0, 1e6], [0.0, 1e6], [5.0, 5.5]] {
            let axis = mi_axis(values);
            assert!(!axis.logarithmic, "{values:?}");
            assert!(axis.ends[0] <= values[0].min(0.0) && axis.ends[1] >= values[1]);
        }
    }
}
