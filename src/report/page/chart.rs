//! Line charts as inline SVG, with bands or whiskers and a legend in words.

use std::fmt::Display;

use super::markup::Markup;
use super::scale::Scale;
use super::series::Series;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 250.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 42.0;

/// A chart.
pub(super) struct Chart {
    /// What the chart shows, for those who cannot see it.
    pub(super) description: String,
    pub(super) x_label: &'static str,
    pub(super) y_label: &'static str,
    pub(super) x: [f64; 2],
    pub(super) y: [f64; 2],
    pub(super) x_ticks: Vec<(f64, String)>,
    pub(super) y_ticks: Vec<(f64, String)>,
    /// A value worth a line of its own, such as 0.
    pub(super) reference: Option<f64>,
    pub(super) series: Vec<Series>,
}

impl Chart {
    /// Draws chart and legend.
    pub(super) fn draw(&self, markup: &mut Markup) {
        let scales = [
            Scale {
                values: self.x,
                pixels: [self.left(), WIDTH - RIGHT],
            },
            Scale {
                values: self.y,
                pixels: [HEIGHT - BOTTOM, TOP],
            },
        ];
        markup.open(
            "svg",
            &[
                ("class", &"chart"),
                ("viewBox", &format!("0 0 {WIDTH} {HEIGHT}")),
                ("role", &"img"),
                ("aria-label", &self.description),
            ],
        );
        self.axes(markup, scales);
        for series in &self.series {
            series.range(markup, scales);
        }
        for series in &self.series {
            series.line(markup, scales);
        }
        markup.close("svg");
        if self.series.len() > 1 {
            self.legend(markup);
        }
    }

    /// Leaves room for the name of the axis and its longest label.
    fn left(&self) -> f64 {
        let longest = self.y_ticks.iter().map(|(_, text)| text.chars().count()).max();
        30.0 + 7.5 * longest.unwrap_or(0).clamp(2, 12) as f64
    }

    fn axes(&self, markup: &mut Markup, [x, y]: [Scale; 2]) {
        let left = self.left();
        let bottom = HEIGHT - BOTTOM;
        for (value, text) in &self.y_ticks {
            let at = y.at(*value);
            line(markup, "grid", [left, at], [WIDTH - RIGHT, at]);
            label(markup, "tick end", [left - 7.0, at + 4.0], text);
        }
        if let Some(reference) = self.reference {
            let at = y.at(reference);
            line(markup, "reference", [left, at], [WIDTH - RIGHT, at]);
        }
        line(markup, "axis", [left, bottom], [WIDTH - RIGHT, bottom]);
        for (value, text) in &self.x_ticks {
            let at = x.at(*value);
            line(markup, "axis", [at, bottom], [at, bottom + 4.0]);
            label(markup, "tick middle", [at, bottom + 17.0], text);
        }
        label(
            markup,
            "name middle",
            [(left + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0],
            self.x_label,
        );
        let middle = (TOP + bottom) / 2.0;
        let turn = format!("rotate(-90 13 {middle:.1})");
        markup.leaf(
            "text",
            &[
                ("class", &"name middle"),
                ("x", &"13"),
                ("y", &format!("{middle:.1}")),
                ("transform", &turn),
            ],
            self.y_label,
        );
    }

    fn legend(&self, markup: &mut Markup) {
        markup.element("ul", &[("class", &"legend")], |markup| {
            for series in &self.series {
                markup.element("li", &[], |markup| {
                    let class = series.class();
                    markup.open(
                        "svg",
                        &[
                            ("class", &class),
                            ("viewBox", &"0 0 34 12"),
                            ("width", &"34"),
                            ("height", &"12"),
                            ("aria-hidden", &"true"),
                        ],
                    );
                    path(markup, "line", "M1 6H33", Some(series.dash()));
                    series.marker(markup, [17.0, 6.0]);
                    markup.close("svg").text(&series.name);
                });
            }
        });
    }
}

/// Adds an outline.
pub(super) fn path(markup: &mut Markup, class: &'static str, outline: &str, dash: Option<&'static str>) {
    let outline: &dyn Display = &outline;
    match dash {
        Some(dash) => markup.open(
            "path",
            &[("class", &class), ("d", outline), ("stroke-dasharray", &dash)],
        ),
        None => markup.open("path", &[("class", &class), ("d", outline)]),
    };
    markup.close("path");
}

/// Adds a straight line.
pub(super) fn line(markup: &mut Markup, class: &'static str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(|place| format!("{place:.1}"));
    let ends: [(&'static str, &dyn Display); 5] = [
        ("class", &class),
        ("x1", &x1),
        ("y1", &y1),
        ("x2", &x2),
        ("y2", &y2),
    ];
    markup.open("line", &ends).close("line");
}

fn label(markup: &mut Markup, class: &'static str, [x, y]: [f64; 2], text: &str) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    markup.leaf("text", &[("class", &class), ("x", &x), ("y", &y)], text);
}
