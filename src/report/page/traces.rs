//! MI over the timesteps of sampling.

use super::chart::Chart;
use super::format::{count, counted, number};
use super::markup::Markup;
use super::mi_axis::MiAxis;
use super::parts::{model_phrase, origin, section};
use super::scale::{labelled, range};
use super::series::{Point, Series, Spread};
use crate::report::model::{Report, Trace, TraceBand};

/// Says whether candidates have traces.
pub(super) fn present(report: &Report) -> bool {
    !report.traces.is_empty()
}

/// Adds one chart for each pool.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    section(markup, "trace", "Mutual information over timesteps", |markup| {
        markup.raw(
            "<p>What each step of sampling adds to a candidate's MI: the median over candidates and, as a band, the \
             middle half. Sampling runs from left to right.</p>",
        );
        markup.element("div", &[("class", &"charts")], |markup| {
            for trace in &report.traces {
                markup.element("figure", &[], |markup| {
                    markup.element("figcaption", &[], |markup| {
                        markup.text(format!("Candidates of {} ", model_phrase(&trace.model)));
                        origin(markup, &trace.origin);
                        // A single line has no legend.
                        if let [only] = &trace.bands[..] {
                            markup.text(format!(", {}", named(only)));
                        }
                    });
                    if let Some(chart) = chart(trace) {
                        chart.draw(markup);
                    }
                    if trace.left_out > 0 {
                        let text = format!(
                            "{} without a usable trace of these timesteps, without an evaluation or beyond the \
                             number that is read: not in the chart.",
                            counted(trace.left_out as u64, "candidate")
                        );
                        markup.leaf("p", &[("class", &"left-out")], text);
                    }
                });
            }
        });
        if report.traces_left_out > 0 {
            let text = format!(
                "{} of candidates of this run: no chart.",
                counted(report.traces_left_out as u64, "more pool")
            );
            markup.leaf("p", &[("class", &"left-out")], text);
        }
    });
}

fn chart(trace: &Trace) -> Option<Chart> {
    let quartiles = trace
        .bands
        .iter()
        .flat_map(|band| band.quartiles.iter().flatten().copied());
    let values: Vec<f64> = quartiles.collect();
    let axis = MiAxis::of(&values)?;
    let timesteps = trace.timesteps.iter().map(|&timestep| f64::from(timestep));
    let [last, first] = range(timesteps)?;
    let series: Vec<Series> = trace
        .bands
        .iter()
        .enumerate()
        .map(|(style, band)| Series {
            name: named(band),
            spread: Spread::Band,
            points: trace
                .timesteps
                .iter()
                .zip(&band.quartiles)
                .map(|(&timestep, &[low, middle, high])| Point {
                    x: f64::from(timestep),
                    y: axis.place(middle),
                    low: axis.place(low),
                    high: axis.place(high),
                })
                .collect(),
            style,
        })
        .collect();
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
        x_label: "timestep (noise to image)",
        y_label: axis.label,
        x: [first, last],
        y: axis.ends,
        x_ticks: labelled([last, first], 5),
        y_ticks: axis.ticks,
        reference: None,
        series,
    })
}

fn named(band: &TraceBand) -> String {
    format!("{} ({})", band.name, count(band.candidates as u64))
}
