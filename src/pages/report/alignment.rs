//! Alignment by round and arm.

use super::bar::BarAxis;
use super::format::{counted, percent_fine};
use super::markup::Markup;
use super::parts::{POINTS, SHARES, body, confidence, difference, estimate, head, model, origin, table};
use super::share_table::{Better, share_table};
use super::{over_seeds, rounds};
use crate::inspect::report::model::{AlignmentEntry, AlignmentGroup, Interval, ReaderCheck, Report};

/// Adds one part for each set of images.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(alignment) = &report.alignment else {
        return;
    };
    markup.raw(
        "<p>An image is aligned when it shows everything its prompt says and nothing else. Intervals resample \
         prompts, not images. Differences are paired: the same prompts and the same seeds, in percentage \
         points.</p>",
    );
    reader(markup, &alignment.reader);
    for group in &alignment.groups {
        add_group(markup, group);
    }
}

/// Says how often images are misread, which no interval contains.
fn reader(markup: &mut Markup, checks: &[ReaderCheck]) {
    if checks.is_empty() {
        return;
    }
    let one = |check: &ReaderCheck| {
        let ReaderCheck { blur, noise, .. } = check;
        let images = counted(check.images, "drawn image");
        let kind = match (*blur > 0.0, *noise > 0.0) {
            (false, false) => format!("{images} of known content"),
            _ => format!("{images} with a blur of {blur} pixels and noise of {noise}"),
        };
        format!("{} of {kind}", percent_fine(check.right))
    };
    let checks: Vec<String> = checks.iter().map(one).collect();
    let text = format!(
        "Content is read off the pixels. The reader is right on {}.",
        checks.join(", and on ")
    );
    markup.leaf("p", &[], text);
}

fn add_group(markup: &mut Markup, group: &AlignmentGroup) {
    markup.element("h3", &[], |markup| {
        let kind = if group.held_out {
            "Held-out"
        } else {
            "Candidates for training"
        };
        let size = format!(
            ": {}, {}",
            counted(group.prompts, "prompt"),
            counted(group.images, "image")
        );
        markup.text(kind).text(size);
        if let Some(from) = &group.prompts_from {
            markup.raw(" <span class=\"muted\">from</span> ");
            origin(markup, from);
        }
    });
    if group.over_seeds.is_empty() {
        every_model(markup, group);
        return;
    }
    over_seeds::add(markup, group);
    markup.element("details", &[], |markup| {
        markup.leaf("summary", &[], "Every arm with every seed by itself");
        every_model(markup, group);
    });
}

fn every_model(markup: &mut Markup, group: &AlignmentGroup) {
    if let Some(rounds) = &group.rounds {
        rounds::add(markup, rounds);
    }
    overall(markup, group);
    attributes(markup, group);
}

fn overall(markup: &mut Markup, group: &AlignmentGroup) {
    let confidence = confidence(group.confidence);
    let compared = group.entries.iter().any(|entry| entry.to_base.is_some());
    let line = match compared || group.control.is_some() {
        true => "; the dotted line is no difference",
        false => "",
    };
    let caption = format!("Share of aligned images by model, with {confidence} intervals{line}");
    let to_control = group
        .control
        .as_ref()
        .map(|control| format!("difference to {control}"));
    let mut columns = vec![("model", ""), ("aligned", "number")];
    if compared {
        columns.extend([("difference to base", "number"), ("interval", "")]);
    }
    if let Some(to_control) = &to_control {
        columns.extend([(to_control.as_str(), "number"), ("interval", "")]);
    }
    columns.push(("stage", ""));
    let column = |of: fn(&AlignmentEntry) -> Option<&Interval>| group.entries.iter().filter_map(of);
    let aligned_axis = BarAxis::of(column(|entry| entry.aligned.as_ref()));
    let to_control_column = column(|entry| entry.to_control.as_ref());
    let difference_axis = BarAxis::of(column(|entry| entry.to_base.as_ref()).chain(to_control_column));
    table(markup, &caption, "estimates", |markup| {
        head(markup, &columns);
        body(markup, &group.entries, |markup, entry| {
            model(markup, &entry.model);
            estimate(markup, entry.aligned.as_ref(), SHARES, aligned_axis);
            if compared {
                difference(markup, entry.to_base.as_ref(), POINTS, difference_axis);
            }
            if to_control.is_some() {
                difference(markup, entry.to_control.as_ref(), POINTS, difference_axis);
            }
            markup.element("td", &[], |markup| origin(markup, &entry.origin));
        });
    });
}

fn attributes(markup: &mut Markup, group: &AlignmentGroup) {
    let caption = format!(
        "Share of images that are right in each attribute, with {} intervals; below it the paired difference to the \
         base. Binding counts images of the right colours and shapes only",
        confidence(group.confidence)
    );
    table(markup, &caption, "attributes", |markup| {
        share_table(markup, &group.attributes, Better::More, str::to_owned);
    });
}
