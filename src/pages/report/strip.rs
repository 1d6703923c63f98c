//! Where numbers lie, as a strip inside a table cell: the page holds its quantiles, and its script draws them.

use serde::Serialize;

use super::format::number;
use super::markup::{Attribute, Markup};
use crate::inspect::report::model::Quantiles;

/// What the script draws.
#[derive(Serialize)]
struct Strip<'a> {
    /// The ends of the axis that the strips of a table share.
    ends: [f64; 2],
    values: &'a [f64; 7],
}

/// Adds a strip.
pub(super) fn strip(markup: &mut Markup, quantiles: &Quantiles, ends: [f64; 2]) {
    let values = &quantiles.values;
    let numbers = serde_json::to_string(&Strip { ends, values }).unwrap_or_default();
    let [lowest, .., highest] = values.map(number);
    let description = format!(
        "From {lowest} to {highest}, median {}",
        number(quantiles.median())
    );
    let attributes: [Attribute<'_>; 5] = [
        ("class", &"strip"),
        ("viewBox", &"0 0 160 18"),
        ("role", &"img"),
        ("aria-label", &description),
        ("data-strip", &numbers),
    ];
    markup.open("svg", &attributes).close("svg");
}
