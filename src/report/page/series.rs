//! The lines of a chart: told apart by colour, by dashes and by the shape of their marks.

use super::chart::{line, path};
use super::markup::Markup;
use super::scale::Scale;

/// One line.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) spread: Spread,
    pub(super) points: Vec<Point>,
    /// Number of its colour and line style.
    pub(super) style: usize,
}

/// How the range around a point is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    Band,
    Whiskers,
}

/// A point of a line with the range around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Line styles beside colours; longer lists begin again.
const DASHES: [&str; 4] = ["none", "7 4", "2 4", "9 3 2 3"];

/// Series that have a colour of their own.
const COLOURS: usize = 7;

impl Series {
    /// The class that colours it.
    pub(super) fn class(&self) -> String {
        format!("series s{}", self.style % COLOURS)
    }

    /// Its dashes, as SVG writes them.
    pub(super) fn dash(&self) -> &'static str {
        DASHES[self.style % DASHES.len()]
    }

    /// Draws the ranges around its points.
    pub(super) fn range(&self, markup: &mut Markup, [x, y]: [Scale; 2]) {
        markup.open("g", &[("class", &self.class())]);
        match self.spread {
            Spread::Band => {
                let above = self.points.iter().map(|point| (point.x, point.high));
                let below = self.points.iter().rev().map(|point| (point.x, point.low));
                let mut outline = trace(above.chain(below), x, y);
                outline.push('Z');
                path(markup, "band", &outline, None);
            }
            Spread::Whiskers => {
                for point in &self.points {
                    let (at, low, high) = (x.at(point.x), y.at(point.low), y.at(point.high));
                    line(markup, "whisker", [at, low], [at, high]);
                    for end in [low, high] {
                        line(markup, "whisker", [at - 3.0, end], [at + 3.0, end]);
                    }
                }
            }
        }
        markup.close("g");
    }

    /// Draws the line with its marks.
    pub(super) fn line(&self, markup: &mut Markup, [x, y]: [Scale; 2]) {
        markup.open("g", &[("class", &self.class())]);
        let places = self.points.iter().map(|point| (point.x, point.y));
        path(markup, "line", &trace(places, x, y), Some(self.dash()));
        if self.spread == Spread::Whiskers {
            for point in &self.points {
                self.marker(markup, [x.at(point.x), y.at(point.y)]);
            }
        }
        markup.close("g");
    }

    /// Draws the mark of the series, so that it can be told without colours; lines with bands have none.
    pub(super) fn marker(&self, markup: &mut Markup, [x, y]: [f64; 2]) {
        if self.spread == Spread::Band {
            return;
        }
        let r = 4.2;
        let outline = match self.style % COLOURS {
            0 => format!(
                "M{:.1} {y:.1}a{r} {r} 0 1 0 {:.1} 0a{r} {r} 0 1 0 -{:.1} 0Z",
                x - r,
                2.0 * r,
                2.0 * r
            ),
            1 => format!("M{:.1} {:.1}h7v7h-7Z", x - 3.5, y - 3.5),
            2 => format!("M{x:.1} {:.1}l4.8 8.2h-9.6Z", y - 5.2),
            3 => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5Z", y - 5.0),
            4 => format!("M{x:.1} {:.1}l4.8 -8.2h-9.6Z", y + 5.2),
            5 => format!("M{:.1} {y:.1}h10M{x:.1} {:.1}v10", x - 5.0, y - 5.0),
            _ => format!("M{:.1} {:.1}l8 8m0 -8l-8 8", x - 4.0, y - 4.0),
        };
        path(markup, "marker", &outline, None);
    }
}

fn trace(points: impl Iterator<Item = (f64, f64)>, x: Scale, y: Scale) -> String {
    let mut outline = String::new();
    for (px, py) in points {
        let command = if outline.is_empty() { 'M' } else { 'L' };
        outline.push_str(&format!("{command}{:.1} {:.1}", x.at(px), y.at(py)));
    }
    outline
}
