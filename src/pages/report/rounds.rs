//! Alignment over rounds, one line for each arm.

use super::chart::{Axis, Chart, Series, Spread};
use super::ends::ends;
use super::markup::Markup;
use super::parts::left_out;
use crate::inspect::report::model::{ArmCurve, Interval, RoundPoint, Rounds};

/// How far lines of different arms stand apart, in rounds.
const APART: f64 = 0.07;

/// Adds the share of aligned images by round and its difference to the base.
pub(super) fn add(markup: &mut Markup, rounds: &Rounds) {
    let shares = Lines {
        name: "Share of aligned images",
        y_label: "aligned images, %",
        of: |point| point.aligned,
        reference: None,
    };
    let differences = Lines {
        name: "Paired difference to the base",
        y_label: "percentage points",
        of: |point| point.to_base,
        reference: Some(0.0),
    };
    markup.element("div", &[("class", &"charts two")], |markup| {
        for lines in [shares, differences] {
            if let Some(chart) = lines.chart(rounds) {
                markup.element("figure", &[], |markup| {
                    markup.leaf("figcaption", &[], lines.name);
                    chart.draw(markup);
                });
            }
        }
    });
    let why = " without a round: in the table, not in the charts.";
    left_out(markup, rounds.left_out, "model", why);
}

/// What one chart shows of each evaluation.
struct Lines {
    name: &'static str,
    y_label: &'static str,
    of: fn(&RoundPoint) -> Option<Interval>,
    reference: Option<f64>,
}

impl Lines {
    fn chart(&self, rounds: &Rounds) -> Option<Chart> {
        let mut points = rounds.arms.iter().flat_map(|arm| &arm.points);
        // A chart of the start alone says nothing.
        points.find(|point| point.round > 0 && (self.of)(point).is_some())?;
        let middle = (rounds.arms.len() as f64 - 1.0) / 2.0;
        let arms = rounds.arms.iter().enumerate();
        let series: Vec<Series> = arms
            .map(|(number, arm)| self.series(arm, (number as f64 - middle) * APART))
            .collect();
        let points = series.iter().flat_map(|series| &series.points);
        let reached = points.flat_map(|[_, _, low, high]| [*low, *high]);
        // Values that are all the same, such as shares of 0, still want an axis in whole points.
        let y = match (ends(reached.chain(self.reference))?, self.reference) {
            ([low, high], _) if high - low >= 1.0 => [low, high],
            ([low, high], Some(_)) => [low - 1.0, high + 1.0],
            ([low, high], None) => [(low - 1.0).max(0.0), high + 1.0],
        };
        let (first, last) = (f64::from(rounds.first), f64::from(rounds.last));
        Some(Chart {
            description: format!(
                "{} over {last} rounds for {} arms; the table below holds the numbers",
                self.name,
                rounds.arms.len()
            ),
            x: Axis {
                labels: 12,
                step: 1.0,
                ..Axis::linear("round (0 is the base)", [first - 0.3, last + 0.3])
            },
            y: Axis::linear(self.y_label, y),
            reference: self.reference,
            spread: Spread::Whiskers,
            series,
        })
    }

    /// The line of one arm in percent, moved a little to the side.
    fn series(&self, arm: &ArmCurve, shift: f64) -> Series {
        let points = arm.points.iter().filter_map(|point| {
            let Interval { value, low, high, .. } = (self.of)(point)?;
            let [value, low, high] = [value, low, high].map(|share| share * 100.0);
            Some([f64::from(point.round) + shift, value, low, high])
        });
        Series {
            name: arm.arm.clone(),
            points: points.collect(),
        }
    }
}
