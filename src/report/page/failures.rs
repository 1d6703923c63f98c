//! What is wrong with images that are not aligned.

use mitune_stages::shapes::alignment::Failure;

use super::interval_bar::{Verdict, verdict};
use super::markup::Markup;
use super::parts::{POINTS, SHARES, estimate, head, model, number, section, table};
use crate::report::model::{AlignmentEntry, AlignmentGroup, Report};

/// Says whether kinds of failure are known.
pub(super) fn present(report: &Report) -> bool {
    report.alignment.iter().any(has_failures)
}

/// Adds one table for each set of images.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    section(markup, "failures", "How images fail", |markup| {
        markup.raw(
            "<p>Each image that is not aligned has one kind of failure. Below each share stands its paired difference \
             to the base in percentage points: here, fewer is better.</p>",
        );
        let mut groups: Vec<&AlignmentGroup> = report
            .alignment
            .iter()
            .filter(|group| has_failures(group))
            .collect();
        groups.sort_by_key(|group| !group.held_out);
        for group in groups {
            let caption = match group.held_out {
                true => "Share of all held-out images by kind of failure",
                false => "Share of all candidates for training by kind of failure",
            };
            table(markup, caption, "attributes", |markup| rows(markup, group));
        }
    });
}

/// Names a kind of failure in words.
pub(super) fn name(failure: Failure) -> &'static str {
    match failure {
        Failure::MissingObject => "missing object",
        Failure::ExtraObject => "extra object",
        Failure::Colour => "wrong colour",
        Failure::Shape => "wrong shape",
        Failure::ColourAndShape => "wrong colour and shape",
        Failure::Binding => "colours swapped",
    }
}

fn has_failures(group: &AlignmentGroup) -> bool {
    let shares = group
        .entries
        .iter()
        .flat_map(|entry| entry.summary.failures.values());
    shares.into_iter().any(|share| share.value > 0.0)
}

fn rows(markup: &mut Markup, group: &AlignmentGroup) {
    let occurs = |failure: &Failure| {
        let shares = group
            .entries
            .iter()
            .filter_map(|entry| entry.summary.failures.get(failure));
        shares.into_iter().any(|share| share.value > 0.0)
    };
    let failures: Vec<Failure> = Failure::ALL.into_iter().filter(occurs).collect();
    let mut columns = vec![("model", "")];
    columns.extend(failures.iter().map(|&failure| (name(failure), "number")));
    head(markup, &columns);
    markup.raw("<tbody>");
    for entry in &group.entries {
        markup.element("tr", &[], |markup| {
            model(markup, &entry.model);
            for &failure in &failures {
                cell(markup, entry, failure);
            }
        });
    }
    markup.raw("</tbody>");
}

fn cell(markup: &mut Markup, entry: &AlignmentEntry, failure: Failure) {
    let Some(share) = entry.summary.failures.get(&failure) else {
        estimate(markup, None, SHARES, None);
        return;
    };
    markup.element("td", &[("class", &"number")], |markup| {
        number(markup, share, SHARES);
        let change = entry
            .to_base
            .as_ref()
            .and_then(|change| change.failures.get(&failure));
        if let Some(change) = change {
            // More failures are worse: the colours change sides.
            let class = match verdict(change, 0.0) {
                Verdict::Above => "change below",
                Verdict::Below => "change above",
                Verdict::Includes => "change",
            };
            markup.element("span", &[("class", &class)], |markup| {
                number(markup, change, POINTS)
            });
        }
    });
}
