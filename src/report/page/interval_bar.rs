//! An interval drawn as a bar inside a table cell; the numbers stand beside it as text.

use mitune_stages::statistics::bootstrap::Estimate;

use super::markup::Markup;
use super::scale::{Scale, range, rounded};

const WIDTH: f64 = 132.0;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 5.0;

/// The axis that the bars of one column share.
#[derive(Clone, Copy)]
pub(super) struct BarAxis {
    scale: Scale,
    /// A value worth a line, such as 0 for differences.
    reference: Option<f64>,
}

/// How an interval lies to its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Above,
    Below,
    Includes,
}

impl BarAxis {
    /// Makes an axis that holds all intervals of a column; none if there are none.
    pub(super) fn of<'a>(
        estimates: impl IntoIterator<Item = &'a Estimate>,
        reference: Option<f64>,
    ) -> Option<Self> {
        let ends = estimates
            .into_iter()
            .flat_map(|estimate| [estimate.low, estimate.high]);
        let values = range(ends.chain(reference))?;
        Some(Self {
            scale: Scale {
                values: rounded(values, 4),
                pixels: [MARGIN, WIDTH - MARGIN],
            },
            reference,
        })
    }

    /// Draws one interval.
    pub(super) fn draw(&self, markup: &mut Markup, estimate: &Estimate) {
        let middle = HEIGHT / 2.0;
        let at = |value: f64| format!("{:.1}", self.scale.at(value));
        let class = match self.reference.map(|reference| verdict(estimate, reference)) {
            Some(Verdict::Above) => "bar above",
            Some(Verdict::Below) => "bar below",
            Some(Verdict::Includes) | None => "bar",
        };
        markup.open(
            "svg",
            &[
                ("class", &class),
                ("viewBox", &format!("0 0 {WIDTH} {HEIGHT}")),
                ("width", &WIDTH),
                ("height", &HEIGHT),
                ("aria-hidden", &"true"),
            ],
        );
        let line = |markup: &mut Markup, class: &'static str, x: [String; 2], y: [f64; 2]| {
            let [x1, x2] = x;
            let [y1, y2] = y;
            let attributes: [(&'static str, &dyn std::fmt::Display); 5] = [
                ("class", &class),
                ("x1", &x1),
                ("x2", &x2),
                ("y1", &y1),
                ("y2", &y2),
            ];
            markup.open("line", &attributes).close("line");
        };
        let [from, to] = self.scale.values;
        line(markup, "track", [at(from), at(to)], [middle, middle]);
        if let Some(reference) = self.reference {
            line(
                markup,
                "zero",
                [at(reference), at(reference)],
                [1.0, HEIGHT - 1.0],
            );
        }
        line(
            markup,
            "span",
            [at(estimate.low), at(estimate.high)],
            [middle, middle],
        );
        for end in [estimate.low, estimate.high] {
            line(markup, "end", [at(end), at(end)], [middle - 3.5, middle + 3.5]);
        }
        markup.open(
            "circle",
            &[("cx", &at(estimate.value)), ("cy", &middle), ("r", &"3.5")],
        );
        markup.close("circle").close("svg");
    }
}

/// Tells on which side of a reference an interval lies.
pub(super) fn verdict(estimate: &Estimate, reference: f64) -> Verdict {
    if estimate.low > reference {
        Verdict::Above
    } else if estimate.high < reference {
        Verdict::Below
    } else {
        Verdict::Includes
    }
}

#[cfg(test)]
mod tests {
    use super::{BarAxis, Estimate, Markup, Verdict, verdict};

    fn estimate(low: f64, value: f64, high: f64) -> Estimate {
        Estimate {
            value,
            low,
            high,
            clusters: 3,
            observations: 9,
        }
    }

    #[test]
    fn only_intervals_clear_of_the_reference_count() {
        assert_eq!(verdict(&estimate(0.1, 0.2, 0.3), 0.0), Verdict::Above);
        assert_eq!(verdict(&estimate(-0.3, -0.2, -0.1), 0.0), Verdict::Below);
        for touching in [
            estimate(0.0, 0.2, 0.3),
            estimate(-0.2, -0.1, 0.0),
            estimate(-1.0, 0.0, 1.0),
        ] {
            assert_eq!(verdict(&touching, 0.0), Verdict::Includes);
        }
    }

    #[test]
    fn bars_of_a_column_share_their_axis() {
        let (one, other) = (estimate(-0.1, 0.0, 0.1), estimate(0.2, 0.3, 0.4));
        let axis = BarAxis::of([&one, &other], Some(0.0)).expect("intervals");
        let mut markup = Markup::default();
        axis.draw(&mut markup, &other);
        let html = markup.into_string();
        assert!(
            html.contains("class=\"bar above\"") && html.contains("class=\"zero\""),
            "{html}"
        );
        assert!(BarAxis::of([], None).is_none());
    }
}
