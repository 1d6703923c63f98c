//! Line charts: the page holds their numbers, and its script draws them.

use serde::Serialize;

use super::format::{decimal, number};
use super::markup::Markup;
use super::parts::{body, head, table};

/// A chart with its numbers.
#[derive(Serialize)]
pub(super) struct Chart {
    /// What the chart shows, for those who cannot see it.
    #[serde(skip)]
    pub(super) description: String,
    pub(super) x: Axis,
    /// Is widened to round values.
    pub(super) y: Axis,
    /// A value worth a line of its own, such as 0.
    pub(super) reference: Option<f64>,
    pub(super) spread: Spread,
    pub(super) series: Vec<Series>,
}

/// One of the two axes.
#[derive(Serialize)]
pub(super) struct Axis {
    pub(super) name: &'static str,
    /// First and last value; they may fall.
    pub(super) ends: [f64; 2],
    /// Labels there may be, about.
    pub(super) labels: usize,
    /// The least that two labels differ by.
    pub(super) step: f64,
    pub(super) logarithmic: bool,
}

/// How the range around a point is drawn.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spread {
    Band,
    Whiskers,
}

/// One line.
#[derive(Serialize)]
pub(super) struct Series {
    pub(super) name: String,
    /// Place, value, and lower and upper end of the range around it.
    pub(super) points: Vec<[f64; 4]>,
}

impl Axis {
    /// An axis from one value to another, with labels at round values.
    pub(super) fn linear(name: &'static str, ends: [f64; 2]) -> Self {
        Self {
            name,
            ends,
            labels: 5,
            step: 0.0,
            logarithmic: false,
        }
    }
}

impl Chart {
    /// Adds the numbers in a form that the script draws.
    pub(super) fn draw(&self, markup: &mut Markup) {
        let numbers = serde_json::to_string(self).unwrap_or_default();
        let attributes: [(&'static str, &dyn std::fmt::Display); 5] = [
            ("class", &"chart"),
            ("viewBox", &"0 0 420 250"),
            ("role", &"img"),
            ("aria-label", &self.description),
            ("data-chart", &numbers),
        ];
        markup.open("svg", &attributes).close("svg");
    }

    /// Adds the numbers as a folded table, where the page has no other; all series have the same places.
    pub(super) fn numbers(&self, markup: &mut Markup) {
        markup.raw("<details><summary>Numbers of the chart</summary>");
        table(markup, &self.description, "estimates", |markup| {
            let mut columns = vec![(self.x.name, "number")];
            columns.extend(self.series.iter().map(|series| (series.name.as_str(), "number")));
            head(markup, &columns);
            let rows = self.series.first().map_or(0, |series| series.points.len());
            body(markup, 0..rows, |markup, row| self.row(markup, row));
        });
        markup.raw("</details>");
    }

    fn row(&self, markup: &mut Markup, row: usize) {
        let points = || {
            self.series
                .iter()
                .filter_map(move |series| series.points.get(row))
        };
        let place = points()
            .next()
            .map_or_else(String::new, |[place, ..]| place_name(*place));
        markup.leaf("th", &[("scope", &"row"), ("class", &"number")], place);
        for &[_, value, low, high] in points() {
            markup.element("td", &[("class", &"number")], |markup| {
                markup
                    .leaf("span", &[("class", &"value")], number(value))
                    .raw(" ");
                let range = format!("[{}, {}]", number(low), number(high));
                markup.leaf("span", &[("class", &"interval")], range);
            });
        }
    }
}

fn place_name(place: f64) -> String {
    match place.fract() == 0.0 {
        true => decimal(place, 0),
        false => number(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_lines_stay_within_their_attribute() {
        let name = "\"><script>alert('1')</script><!-- &quot; \\ \u{2028}";
        let chart = Chart {
            description: name.to_owned(),
            x: Axis::linear("x", [0.0, 1.0]),
            y: Axis::linear("y", [0.0, 1.0]),
            reference: None,
            spread: Spread::Band,
            series: vec![Series {
                name: name.to_owned(),
                points: vec![[0.0, 1.0, 1.0, 1.0]],
            }],
        };
        let mut markup = Markup::default();
        chart.draw(&mut markup);
        let html = markup.into_string();
        assert_eq!(
            (html.matches('<').count(), html.matches('>').count()),
            (2, 2),
            "{html}"
        );
        let (_, numbers) = html.split_once("data-chart=\"").unwrap();
        let (numbers, _) = numbers.split_once('"').unwrap();
        let json = numbers
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["series"][0]["name"], name);
    }
}
