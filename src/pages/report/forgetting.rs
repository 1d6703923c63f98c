//! Arms tuned on one group of prompts, tested on all.

use super::format::short;
use super::markup::Markup;
use super::parts::{CHANGES, NUMBERS, body, confidence, estimate, head, number, origin, table};
use crate::inspect::report::model::{Forgetting, ForgettingArm, ForgettingCell, Report, Side};

/// Characters of the name of a column, an arm or a group that are shown.
const NAME: usize = 80;

/// Adds a table for each comparison of such arms.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.forgetting.is_empty() {
        return;
    }
    markup.raw(
        "<p>What an arm that was tuned on the prompts of one group gains there and loses elsewhere; the cell of the group \
         that it was tuned on is marked. An arm whose adapter goes back to prompts of several groups has no such cell.</p>",
    );
    for one in &report.forgetting {
        add_one(markup, one);
    }
}

fn add_one(markup: &mut Markup, one: &Forgetting) {
    markup.element("h3", &[], |markup| {
        markup.leaf("code", &[], short(&one.column, NAME));
        markup.raw(" <span class=\"muted\">from</span> ");
        origin(markup, &one.origin);
        if let Some(diversity) = &one.diversity_from {
            markup.raw(" <span class=\"muted\">and, of diversity, from</span> ");
            origin(markup, diversity);
        }
    });
    let what = match one.compared {
        true => "Means of the baseline, and below them the paired difference of each arm to it",
        false => "Mean of each arm",
    };
    let group_by = short(&one.group_by, NAME);
    let caption = format!(
        "{what}, by {group_by}, with {} intervals",
        confidence(one.confidence)
    );
    let names: Vec<String> = one.groups.iter().map(|name| short(name, NAME)).collect();
    table(markup, &caption, "estimates", |markup| {
        let mut columns = vec![("arm", ""), ("tuned on", "")];
        columns.extend(names.iter().map(|name| (name.as_str(), "number")));
        if one.diversity_from.is_some() {
            columns.push(("mean cosine distance", "number"));
        }
        head(markup, &columns);
        body(markup, &one.arms, |markup, arm| row(markup, one, &names, arm));
    });
}

fn row(markup: &mut Markup, one: &Forgetting, names: &[String], arm: &ForgettingArm) {
    markup.leaf("th", &[("scope", &"row")], short(&arm.name, NAME));
    let tuned_on = arm.tuned_on.and_then(|place| names.get(place));
    markup.leaf("td", &[], tuned_on.map_or("", String::as_str));
    for (place, tested) in arm.cells.iter().enumerate() {
        cell(markup, tested, arm.tuned_on == Some(place));
    }
    if one.diversity_from.is_some() {
        estimate(markup, arm.diversity.as_ref(), NUMBERS, None);
    }
}

/// Adds the difference to the baseline, or the mean where there is none.
fn cell(markup: &mut Markup, tested: &ForgettingCell, own: bool) {
    let (shown, style) = match (&tested.difference, &tested.mean) {
        (Some(difference), _) => (difference, CHANGES),
        (None, Some(mean)) => (mean, NUMBERS),
        (None, None) => return estimate(markup, None, NUMBERS, None),
    };
    let class = match own {
        true => "number own",
        false => "number",
    };
    let side = match shown.side {
        Some(Side::Above) => "above",
        Some(Side::Below) => "below",
        Some(Side::Includes) | None => "",
    };
    markup.element("td", &[("class", &class)], |markup| {
        markup.element("span", &[("class", &format!("tested {side}"))], |markup| {
            number(markup, shown, style);
        });
    });
}
