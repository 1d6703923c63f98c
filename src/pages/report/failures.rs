//! What is wrong with images that are not aligned.

use super::markup::Markup;
use super::parts::table;
use super::share_table::{Better, share_table};
use crate::inspect::report::model::Report;

/// Adds one table for each set of images.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.failures.is_empty() {
        return;
    }
    markup.raw(
        "<p>Each image that is not aligned has one kind of failure. Below each share stands its paired difference \
         to the base in percentage points: here, fewer is better.</p>",
    );
    for failures in &report.failures {
        let caption = match failures.held_out {
            true => "Share of all held-out images by kind of failure",
            false => "Share of all candidates for training by kind of failure",
        };
        table(markup, caption, "attributes", |markup| {
            share_table(markup, &failures.shares, Better::Fewer, name);
        });
    }
}

/// Names a kind of failure for people.
pub(super) fn name(word: &str) -> String {
    match word {
        "colour" => "wrong colour".to_owned(),
        "shape" => "wrong shape".to_owned(),
        "colour_and_shape" => "wrong colour and shape".to_owned(),
        "binding" => "colours swapped".to_owned(),
        other => other.replace('_', " "),
    }
}
