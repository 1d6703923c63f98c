//! Arms compared by any column of numbers.

use super::bar::BarAxis;
use super::format::{count, short};
use super::markup::Markup;
use super::parts::{
    CHANGES, NUMBERS, SHARES, body, confidence, difference, estimate, head, number, origin, table,
};
use crate::inspect::report::model::{ComparedArm, ComparedColumn, ComparedGroup, Interval, Report, Side};

/// Characters of the name of a column or an arm that are shown.
const NAME: usize = 80;

/// Adds one table for each stage that compared arms.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.comparisons.is_empty() {
        return;
    }
    markup.raw(
        "<p>Means of a column over the images of each arm. Intervals resample prompts, not images. Differences are \
         paired with the same image of the baseline; the win rate is the share of images with a higher number than \
         there, an equal one counting half, whether or not higher is better.</p>",
    );
    for comparison in &report.comparisons {
        add_comparison(markup, comparison);
    }
}

fn add_comparison(markup: &mut Markup, comparison: &ComparedColumn) {
    markup.element("h3", &[], |markup| {
        markup.leaf("code", &[], short(&comparison.column, NAME));
        markup.raw(" <span class=\"muted\">from</span> ");
        origin(markup, &comparison.origin);
    });
    let compared = comparison.baseline.is_some();
    let line = match compared {
        true => "; the dotted line is no difference",
        false => "",
    };
    let confidence = confidence(comparison.confidence);
    let caption = format!("Mean by arm, with {confidence} intervals{line}");
    let rows: Vec<&ComparedArm> = comparison.baseline.iter().chain(&comparison.arms).collect();
    let axis = |of: fn(&ComparedArm) -> Option<&Interval>| BarAxis::of(rows.iter().filter_map(|arm| of(arm)));
    let means = axis(|arm| arm.mean.as_ref());
    let differences = axis(|arm| arm.difference.as_ref());
    table(markup, &caption, "estimates", |markup| {
        let mut columns = vec![("arm", ""), ("images", "number"), ("mean", "number")];
        if compared {
            columns.extend([
                ("difference to baseline", "number"),
                ("interval", ""),
                ("win rate", "number"),
            ]);
        }
        head(markup, &columns);
        body(markup, &rows, |markup, arm| {
            markup.leaf("th", &[("scope", &"row")], short(&arm.name, NAME));
            markup.leaf("td", &[("class", &"number")], count(arm.images));
            estimate(markup, arm.mean.as_ref(), NUMBERS, means);
            if compared {
                difference(markup, arm.difference.as_ref(), CHANGES, differences);
                estimate(markup, arm.wins.as_ref(), SHARES, None);
            }
        });
    });
    add_groups(markup, comparison, &rows);
}

/// Adds a row for each arm and a column for each group of prompts, if there are groups.
fn add_groups(markup: &mut Markup, comparison: &ComparedColumn, rows: &[&ComparedArm]) {
    let Some(group_by) = &comparison.group_by else {
        return;
    };
    let below = match comparison.baseline.is_some() {
        true => ", below each the difference to the baseline and the win rate",
        false => "",
    };
    let caption = format!("Mean by arm and {}{below}", short(group_by, NAME));
    let names: Vec<String> = comparison.groups.iter().map(|name| short(name, NAME)).collect();
    table(markup, &caption, "estimates", |markup| {
        let mut columns = vec![("arm", "")];
        columns.extend(names.iter().map(|name| (name.as_str(), "number")));
        head(markup, &columns);
        body(markup, rows, |markup, arm| {
            markup.leaf("th", &[("scope", &"row")], short(&arm.name, NAME));
            for group in &arm.groups {
                cell(markup, group);
            }
        });
    });
}

fn cell(markup: &mut Markup, group: &ComparedGroup) {
    let Some(mean) = &group.mean else {
        estimate(markup, None, NUMBERS, None);
        return;
    };
    markup.element("td", &[("class", &"number")], |markup| {
        number(markup, mean, NUMBERS);
        if let Some(change) = &group.difference {
            let class = match change.side {
                Some(Side::Above) => "change above",
                Some(Side::Below) => "change below",
                Some(Side::Includes) | None => "change",
            };
            markup.element("span", &[("class", &class)], |markup| {
                number(markup, change, CHANGES);
            });
        }
        if let Some(wins) = &group.wins {
            markup.element("span", &[("class", &"change")], |markup| {
                number(markup, wins, SHARES);
            });
        }
    });
}
