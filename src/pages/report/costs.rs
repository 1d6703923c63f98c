//! What the arms of a comparison took to make.

use super::format::{count, decimal, duration, short};
use super::markup::Markup;
use super::parts::{body, head, origin, table};
use crate::inspect::report::model::{ArmCost, Report};

/// Characters of the name of an arm that are shown.
const NAME: usize = 80;

/// Adds one table for each set of arms that was compared.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.costs.is_empty() {
        return;
    }
    markup.raw(
        "<p>Everything that the model of each arm is made of: images that were sampled, updates, and rows that the \
         denoiser was asked about, with the prompt and without it counted as two. What several arms share is counted \
         for each of them, in full. The images that are compared are not in it; what one of them takes stands in the \
         last column.</p>",
    );
    for costs in &report.costs {
        markup.element("h3", &[], |markup| {
            markup.raw("<span class=\"muted\">arms of</span> ");
            origin(markup, &costs.origin);
        });
        table(markup, "Cost by arm", "estimates", |markup| {
            head(
                markup,
                &[
                    ("arm", ""),
                    ("samples", "number"),
                    ("updates", "number"),
                    ("evaluations", "number"),
                    ("with gradients", "number"),
                    ("time", "number"),
                    ("evaluations per image", "number"),
                ],
            );
            body(markup, &costs.arms, row);
        });
    }
}

fn row(markup: &mut Markup, arm: &ArmCost) {
    markup.leaf("th", &[("scope", &"row")], short(&arm.name, NAME));
    let told = |number: Option<u64>| number.map_or_else(|| "not told".to_owned(), count);
    let numbers = [
        count(arm.samples),
        count(arm.updates),
        told(arm.denoiser_evaluations),
        told(arm.gradient_evaluations),
        duration(arm.seconds),
        arm.evaluations_per_image
            .map_or_else(|| "not told".to_owned(), |number| decimal(number, 0)),
    ];
    for number in numbers {
        markup.leaf("td", &[("class", &"number")], number);
    }
}
