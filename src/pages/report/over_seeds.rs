//! Arms over their seeds.

use super::bar::BarAxis;
use super::format::percent;
use super::markup::Markup;
use super::parts::{POINTS, SHARES, body, confidence, estimate, head, table};
use crate::inspect::report::model::{AlignmentGroup, Interval, OverSeeds};

/// Adds the table of arms that were repeated, if there is one.
pub(super) fn add(markup: &mut Markup, group: &AlignmentGroup) {
    if group.over_seeds.is_empty() {
        return;
    }
    let control = group.over_seeds.iter().any(|one| one.to_control.is_some());
    let control_name = group.control.as_deref().unwrap_or("control");
    let to_control = format!("difference to {control_name}");
    let caption = format!(
        "Share of aligned images by arm over all its seeds, with {} intervals over prompts and seeds; differences are \
         paired with the same seed, and the dotted line is none",
        confidence(group.confidence)
    );
    let axis = |of: fn(&OverSeeds) -> Option<&Interval>| BarAxis::of(group.over_seeds.iter().filter_map(of));
    let aligned = axis(|one| one.aligned.as_ref());
    let to_base_axis = axis(|one| one.to_base.as_ref());
    let to_control_axis = axis(|one| one.to_control.as_ref());
    table(markup, &caption, "estimates", |markup| {
        let mut columns = vec![("arm", ""), ("round", "number"), ("aligned", "number")];
        columns.push(("difference to base", "number"));
        if control {
            columns.push((to_control.as_str(), "number"));
        }
        columns.push(("by seed", ""));
        head(markup, &columns);
        body(markup, &group.over_seeds, |markup, one| {
            markup.leaf("th", &[("scope", &"row")], &one.arm);
            markup.leaf("td", &[("class", &"number")], one.round);
            estimate(markup, one.aligned.as_ref(), SHARES, aligned);
            estimate(markup, one.to_base.as_ref(), POINTS, to_base_axis);
            if control {
                estimate(markup, one.to_control.as_ref(), POINTS, to_control_axis);
            }
            let seeds: Vec<String> = one
                .seeds
                .iter()
                .map(|share| format!("{}: {}", share.seed, percent(share.aligned)))
                .collect();
            markup.leaf("td", &[], seeds.join(", "));
        });
    });
}
