//! Alignment over rounds, one line for each arm.

use mitune_stages::statistics::bootstrap::Estimate;

use super::chart::Chart;
use super::format::counted;
use super::markup::Markup;
use super::scale::{labelled, range, rounded};
use super::series::{Point, Series, Spread};
use crate::report::model::{AlignmentEntry, AlignmentGroup, ModelLabel};

/// How far lines of different arms stand apart, in rounds.
const APART: f64 = 0.07;

/// Adds the share of aligned images by round and its difference to the base, if there is more than one model to compare.
pub(super) fn add(markup: &mut Markup, group: &AlignmentGroup) {
    let arms = arms(group);
    let rounds = || {
        arms.iter()
            .flat_map(|(_, entries)| entries.iter().map(|(round, _)| *round))
    };
    let Some(last) = rounds().max().filter(|last| *last > 1 || arms.len() > 1) else {
        return;
    };
    let base = group.entries.iter().find(|entry| entry.model == ModelLabel::Base);
    let shares = Lines {
        name: "Share of aligned images",
        y_label: "aligned images, %",
        start: base.and_then(|base| base.summary.aligned),
        of: |entry| entry.summary.aligned,
        reference: None,
    };
    let differences = Lines {
        name: "Paired difference to the base",
        y_label: "percentage points",
        start: base.and_then(|base| base.summary.aligned).map(no_difference),
        of: |entry| entry.to_base.as_ref()?.aligned,
        reference: Some(0.0),
    };
    markup.element("div", &[("class", &"charts two")], |markup| {
        for lines in [shares, differences] {
            if let Some(chart) = lines.chart(&arms, u32::from(base.is_none())..=last) {
                markup.element("figure", &[], |markup| {
                    markup.leaf("figcaption", &[], lines.name);
                    chart.draw(markup);
                });
            }
        }
    });
    let without_round =
        |entry: &&AlignmentEntry| matches!(entry.model, ModelLabel::Tuned { round: None, .. });
    let left_out = group.entries.iter().filter(without_round).count();
    if left_out > 0 {
        let text = format!(
            "{} without a round: in the table, not in the charts.",
            counted(left_out as u64, "model")
        );
        markup.leaf("p", &[("class", &"left-out")], text);
    }
}

/// What one chart shows of each evaluation.
struct Lines {
    name: &'static str,
    y_label: &'static str,
    /// Where all lines begin, as round 0.
    start: Option<Estimate>,
    of: fn(&AlignmentEntry) -> Option<Estimate>,
    reference: Option<f64>,
}

impl Lines {
    fn chart(&self, arms: &[Arm<'_>], rounds: std::ops::RangeInclusive<u32>) -> Option<Chart> {
        let middle = (arms.len() as f64 - 1.0) / 2.0;
        let series: Vec<Series> = arms
            .iter()
            .enumerate()
            .map(|(number, (name, entries))| {
                let shift = (number as f64 - middle) * APART;
                let own = entries
                    .iter()
                    .filter_map(|(round, entry)| Some((*round, (self.of)(entry)?)));
                let all = self.start.map(|start| (0, start)).into_iter().chain(own);
                Series {
                    name: name.clone(),
                    spread: Spread::Whiskers,
                    points: all
                        .map(|(round, estimate)| point(round, &estimate, shift))
                        .collect(),
                    style: number,
                }
            })
            .collect();
        let points = series.iter().flat_map(|series| &series.points);
        let ends = points.flat_map(|point| [point.low, point.high]);
        // Values that are all the same, such as shares of 0, still want an axis in whole points.
        let [low, high] = range(ends.chain(self.reference))?;
        let widened = match (high - low < 1.0, self.reference) {
            (false, _) => [low, high],
            (true, Some(_)) => [low - 1.0, high + 1.0],
            (true, None) => [(low - 1.0).max(0.0), high + 1.0],
        };
        let y = rounded(widened, 5);
        // A chart of the start alone says nothing.
        let shown = |(_, entries): &Arm<'_>| entries.iter().any(|(_, entry)| (self.of)(entry).is_some());
        arms.iter().find(|arm| shown(arm))?;
        let (first, last) = (f64::from(*rounds.start()), f64::from(*rounds.end()));
        Some(Chart {
            description: format!(
                "{} over {last} rounds for {} arms; the table below holds the numbers",
                self.name,
                arms.len()
            ),
            x_label: "round (0 is the base)",
            y_label: self.y_label,
            x: [first - 0.3, last + 0.3],
            y,
            x_ticks: rounds
                .map(|round| (f64::from(round), round.to_string()))
                .collect(),
            y_ticks: labelled(y, 5),
            reference: self.reference,
            series,
        })
    }
}

fn point(round: u32, estimate: &Estimate, shift: f64) -> Point {
    Point {
        x: f64::from(round) + shift,
        y: estimate.value * 100.0,
        low: estimate.low * 100.0,
        high: estimate.high * 100.0,
    }
}

/// The difference of the base to itself.
fn no_difference(base: Estimate) -> Estimate {
    Estimate {
        value: 0.0,
        low: 0.0,
        high: 0.0,
        ..base
    }
}

type Arm<'a> = (String, Vec<(u32, &'a AlignmentEntry)>);

/// The rounds of each arm, in the order of its first appearance.
fn arms(group: &AlignmentGroup) -> Vec<Arm<'_>> {
    let mut arms: Vec<Arm<'_>> = Vec::new();
    for entry in &group.entries {
        let ModelLabel::Tuned {
            round: Some(round),
            arms: names,
            ..
        } = &entry.model
        else {
            continue;
        };
        let unnamed = [String::from("tuned")];
        let names = if names.is_empty() {
            &unnamed[..]
        } else {
            &names[..]
        };
        for name in names {
            match arms.iter_mut().find(|(known, _)| known == name) {
                Some((_, rounds)) => rounds.push((*round, entry)),
                None => arms.push((name.clone(), vec![(*round, entry)])),
            }
        }
    }
    arms
}
