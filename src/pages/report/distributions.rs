//! How the numbers of judges lie, arm by arm and by groups of prompts.

use super::ends::ends;
use super::format::{count, number, short};
use super::judgements::MEANING;
use super::markup::Markup;
use super::parts::{body, head, left_out, model_name, origin, table};
use super::strip::strip;
use crate::inspect::report::model::{DistributionArm, JudgedDistribution, Quantiles, Report};

/// Characters of the name of a column, an arm or a group that are shown.
const NAME: usize = 80;

/// What the tables say of each set of numbers.
const NUMBERS: [(&str, &str); 5] = [
    ("images", "number"),
    ("mean", "number"),
    ("median", "number"),
    ("middle half", "number"),
    ("lowest to highest", ""),
];

/// Adds a table for each column of a judge, and a folded one by groups.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.distributions.is_empty() {
        return;
    }
    markup.raw(
        "<p>How the numbers of a judge lie over the images of each arm. A strip reaches from the lowest number to the \
         highest, its pale part from 5% to 95% of the images, its dark part over the middle half; the mark is the median. \
         The strips of a table share one axis.</p>",
    );
    for distribution in &report.distributions {
        add_distribution(markup, distribution);
    }
}

fn add_distribution(markup: &mut Markup, distribution: &JudgedDistribution) {
    let meaning = short(&distribution.meaning, MEANING);
    markup.element("h3", &[], |markup| {
        markup.leaf("code", &[("title", &meaning)], short(&distribution.column, NAME));
        if let Some(from) = &distribution.compared_by {
            markup.raw(" <span class=\"muted\">arms of</span> ");
            origin(markup, from);
        }
    });
    let better = match distribution.lower_is_better {
        true => "; lower is better.",
        false => ".",
    };
    markup.leaf("p", &[], format!("{meaning}{better}"));
    let lowest_and_highest = distribution.arms.iter().flat_map(|arm| arm.all.values);
    let Some(ends) = ends(lowest_and_highest) else {
        return;
    };
    table(markup, "Numbers of each arm", "estimates", |markup| {
        let mut columns = vec![("arm", ""), ("model", "")];
        columns.extend(NUMBERS);
        head(markup, &columns);
        body(markup, &distribution.arms, |markup, arm| {
            markup.element("th", &[("scope", &"row")], |markup| arm_name(markup, arm));
            let model = arm.model.as_ref().map_or_else(String::new, model_name);
            markup.leaf("td", &[], short(&model, NAME));
            numbers(markup, &arm.all, ends);
        });
    });
    left_out(
        markup,
        distribution.left_out,
        "more arm",
        " with this column: not shown here.",
    );
    groups(markup, distribution, ends);
}

fn arm_name(markup: &mut Markup, arm: &DistributionArm) {
    if arm.name != arm.origin.name {
        markup.text(short(&arm.name, NAME)).raw(" ");
    }
    origin(markup, &arm.origin);
}

/// Adds a row for each group and arm, if there are groups.
fn groups(markup: &mut Markup, distribution: &JudgedDistribution, ends: [f64; 2]) {
    if distribution.groups.is_empty() {
        return;
    }
    let name = short(&distribution.group_by, NAME);
    markup.element("details", &[], |markup| {
        markup.leaf("summary", &[], format!("By {name}"));
        let caption = format!("Numbers of each arm by {name}");
        let rows = distribution.groups.iter().enumerate().flat_map(|(place, group)| {
            let arms = distribution.arms.iter();
            arms.filter_map(move |arm| Some((group, arm, arm.groups.get(place)?.as_ref()?)))
        });
        table(markup, &caption, "estimates", |markup| {
            let mut columns = vec![(name.as_str(), ""), ("arm", "")];
            columns.extend(NUMBERS);
            head(markup, &columns);
            body(markup, rows, |markup, (group, arm, quantiles)| {
                markup.leaf("th", &[("scope", &"row")], short(group, NAME));
                markup.element("td", &[], |markup| arm_name(markup, arm));
                numbers(markup, quantiles, ends);
            });
        });
        left_out(
            markup,
            distribution.groups_left_out,
            "more group",
            " of prompts: not shown here.",
        );
    });
}

fn numbers(markup: &mut Markup, quantiles: &Quantiles, ends: [f64; 2]) {
    let [lower, upper] = quantiles.middle_half().map(number);
    let cells = [
        count(quantiles.images),
        number(quantiles.mean),
        number(quantiles.median()),
        format!("{lower} to {upper}"),
    ];
    for cell in cells {
        markup.leaf("td", &[("class", &"number")], cell);
    }
    markup.element("td", &[], |markup| strip(markup, quantiles, ends));
}
