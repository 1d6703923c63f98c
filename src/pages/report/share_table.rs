//! A table of shares by model, below each its paired difference to the base.

use super::markup::Markup;
use super::parts::{POINTS, SHARES, body, estimate, head, model, number};
use crate::inspect::report::model::{ShareCell, ShareTable, Side};

/// Which side of no difference is the good one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Fewer,
}

/// Adds head and rows; `name` turns the word of a column into its heading.
pub(super) fn share_table(
    markup: &mut Markup,
    shares: &ShareTable,
    better: Better,
    name: fn(&str) -> String,
) {
    let names: Vec<String> = shares.columns.iter().map(|word| name(word)).collect();
    let mut columns = vec![("model", "")];
    columns.extend(names.iter().map(|name| (name.as_str(), "number")));
    head(markup, &columns);
    body(markup, &shares.rows, |markup, row| {
        model(markup, &row.model);
        for one in &row.cells {
            cell(markup, one, better);
        }
    });
}

fn cell(markup: &mut Markup, cell: &ShareCell, better: Better) {
    let Some(share) = &cell.share else {
        estimate(markup, None, SHARES, None);
        return;
    };
    markup.element("td", &[("class", &"number")], |markup| {
        number(markup, share, SHARES);
        if let Some(change) = &cell.to_base {
            // The colours say good and bad.
            let class = match (change.side, better) {
                (Some(Side::Above), Better::More) | (Some(Side::Below), Better::Fewer) => "change above",
                (Some(Side::Below), Better::More) | (Some(Side::Above), Better::Fewer) => "change below",
                (Some(Side::Includes) | None, _) => "change",
            };
            markup.element("span", &[("class", &class)], |markup| {
                number(markup, change, POINTS)
            });
        }
    });
}
