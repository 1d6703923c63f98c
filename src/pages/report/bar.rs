//! An interval drawn as a bar inside a table cell; the numbers stand beside it as text.

use super::ends::ends;
use super::markup::Markup;
use crate::inspect::report::model::{Interval, Side};

/// The axis that the bars of one column share.
#[derive(Clone, Copy)]
pub(super) struct BarAxis {
    ends: [f64; 2],
}

impl BarAxis {
    /// Makes an axis that holds all intervals of a column, and what they lie beside; none if there are none.
    pub(super) fn of<'a>(intervals: impl IntoIterator<Item = &'a Interval>) -> Option<Self> {
        let values = intervals
            .into_iter()
            .flat_map(|interval| [Some(interval.low), Some(interval.high), interval.reference]);
        Some(Self {
            ends: ends(values.flatten())?,
        })
    }

    /// Draws one interval.
    pub(super) fn draw(&self, markup: &mut Markup, interval: &Interval) {
        let class = match interval.side {
            Some(Side::Above) => "bar above",
            Some(Side::Below) => "bar below",
            Some(Side::Includes) | None => "bar",
        };
        let [low, value, high] =
            [interval.low, interval.value, interval.high].map(|value| self.percent(value));
        let places = format!("--low:{low:.1}%;--value:{value:.1}%;--high:{high:.1}%");
        let attributes: [(&'static str, &dyn std::fmt::Display); 3] =
            [("class", &class), ("style", &places), ("aria-hidden", &"true")];
        markup.element("span", &attributes, |markup| {
            if let Some(reference) = interval.reference {
                let place = format!("left:{:.1}%", self.percent(reference));
                markup.leaf("span", &[("class", &"zero"), ("style", &place)], "");
            }
        });
    }

    /// The place of a value in the width of a bar, which leaves room for marks at its ends.
    fn percent(&self, value: f64) -> f64 {
        let [low, high] = self.ends;
        4.0 + 92.0 * (value - low) / (high - low)
    }
}

#[cfg(test)]
mod tests {
    use super::{BarAxis, Interval, Markup, Side};

    fn interval(low: f64, value: f64, high: f64, side: Side) -> Interval {
        Interval {
            value,
            low,
            high,
            reference: Some(0.0),
            side: Some(side),
        }
    }

    #[test]
    fn bars_of_a_column_share_their_axis() {
        let one = interval(-0.1, 0.0, 0.1, Side::Includes);
        let other = interval(0.2, 0.3, 0.4, Side::Above);
        let axis = BarAxis::of([&one, &other]).expect("intervals");
        let mut markup = Markup::default();
        axis.draw(&mut markup, &other);
        let html = markup.into_string();
        assert!(
            html.contains("class=\"bar above\"") && html.contains("class=\"zero\""),
            "{html}"
        );
        assert!(
            html.contains("--high:96.0%") && html.contains("left:22.4%"),
            "{html}"
        );
        assert!(BarAxis::of([]).is_none());
    }
}
