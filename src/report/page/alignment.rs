//! Alignment by round and arm.

use mitune_stages::evaluate::ReaderCheck;
use mitune_stages::evaluation::comparison::Comparison;
use mitune_stages::evaluation::summary::EvaluationSummary;
use mitune_stages::shapes::reader_check::Disturbance;
use mitune_stages::statistics::bootstrap::Estimate;

use super::alignment_chart;
use super::format::{counted, percent_fine};
use super::interval_bar::{BarAxis, Verdict, verdict};
use super::markup::Markup;
use super::over_seeds;
use super::parts::{POINTS, SHARES, confidence, estimate, head, model, number, origin, section, table};
use super::summary::side;
use crate::report::model::{AlignmentGroup, Report};

/// Says whether anything was evaluated.
pub(super) fn present(report: &Report) -> bool {
    !report.alignment.is_empty()
}

/// Adds one part for each set of images.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    section(markup, "alignment", "Alignment", |markup| {
        markup.raw(
            "<p>An image is aligned when it shows everything its prompt says and nothing else. Intervals resample \
             prompts, not images. Differences are paired: the same prompts and the same seeds, in percentage \
             points.</p>",
        );
        reader(markup, &report.reader);
        let mut groups: Vec<&AlignmentGroup> = report.alignment.iter().collect();
        groups.sort_by_key(|group| !group.held_out);
        for group in groups {
            add_group(markup, group);
        }
    });
}

/// Says how often images are misread, which no interval contains.
fn reader(markup: &mut Markup, checks: &[ReaderCheck]) {
    if checks.is_empty() {
        return;
    }
    let one = |check: &ReaderCheck| {
        let Disturbance { blur, noise } = check.disturbance;
        let images = counted(check.accuracy.images, "drawn image");
        let kind = match (blur > 0.0, noise > 0.0) {
            (false, false) => format!("{images} of known content"),
            _ => format!("{images} with a blur of {blur} pixels and noise of {noise}"),
        };
        format!("{} of {kind}", percent_fine(check.accuracy.share()))
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
        alignment_chart::add(markup, group);
        overall(markup, group);
        attributes(markup, group);
        return;
    }
    over_seeds::add(markup, group);
    markup.element("details", &[], |markup| {
        markup.leaf("summary", &[], "Every arm with every seed by itself");
        alignment_chart::add(markup, group);
        overall(markup, group);
        attributes(markup, group);
    });
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
    let all = || group.entries.iter();
    let aligned_axis = BarAxis::of(all().filter_map(|entry| entry.summary.aligned.as_ref()), None);
    let base_differences = || all().filter_map(|entry| entry.to_base.as_ref()?.aligned.as_ref());
    let differences = base_differences().chain(all().filter_map(|entry| entry.to_control.as_ref()));
    let difference_axis = BarAxis::of(differences, Some(0.0));
    table(markup, &caption, "estimates", |markup| {
        head(markup, &columns);
        markup.raw("<tbody>");
        for entry in &group.entries {
            markup.element("tr", &[], |markup| {
                model(markup, &entry.model);
                estimate(markup, entry.summary.aligned.as_ref(), SHARES, aligned_axis);
                if compared {
                    let change = entry.to_base.as_ref().and_then(|change| change.aligned.as_ref());
                    difference(markup, change, difference_axis);
                }
                if to_control.is_some() {
                    difference(markup, entry.to_control.as_ref(), difference_axis);
                }
                markup.element("td", &[], |markup| origin(markup, &entry.origin));
            });
        }
        markup.raw("</tbody>");
    });
}

/// Adds a difference and a cell that says on which side of 0 its interval lies.
fn difference(markup: &mut Markup, change: Option<&Estimate>, axis: Option<BarAxis>) {
    estimate(markup, change, POINTS, axis);
    let Some(change) = change else {
        markup.raw("<td></td>");
        return;
    };
    let verdict = verdict(change, 0.0);
    let class = match verdict {
        Verdict::Above => "verdict above",
        Verdict::Below => "verdict below",
        Verdict::Includes => "verdict",
    };
    markup.element("td", &[], |markup| {
        markup.leaf("span", &[("class", &class)], side(verdict));
    });
}

type Attribute = (
    &'static str,
    fn(&EvaluationSummary) -> Option<&Estimate>,
    Option<fn(&Comparison) -> Option<&Estimate>>,
);

/// Binding is a share among images of the right colours and shapes, others in each evaluation, so it is not paired.
const ATTRIBUTES: [Attribute; 4] = [
    (
        "objects",
        |summary| summary.objects.as_ref(),
        Some(|change| change.objects.as_ref()),
    ),
    (
        "colours",
        |summary| summary.colours.as_ref(),
        Some(|change| change.colours.as_ref()),
    ),
    (
        "shapes",
        |summary| summary.shapes.as_ref(),
        Some(|change| change.shapes.as_ref()),
    ),
    ("binding", |summary| summary.binding.as_ref(), None),
];

fn attributes(markup: &mut Markup, group: &AlignmentGroup) {
    let caption = format!(
        "Share of images that are right in each attribute, with {} intervals; below it the paired difference to the \
         base. Binding counts images of the right colours and shapes only",
        confidence(group.confidence)
    );
    table(markup, &caption, "attributes", |markup| {
        let mut columns = vec![("model", "")];
        columns.extend(ATTRIBUTES.iter().map(|(name, _, _)| (*name, "number")));
        head(markup, &columns);
        markup.raw("<tbody>");
        for entry in &group.entries {
            markup.element("tr", &[], |markup| {
                model(markup, &entry.model);
                for (_, share, change) in ATTRIBUTES {
                    let change = change
                        .zip(entry.to_base.as_ref())
                        .and_then(|(of, change)| of(change));
                    attribute(markup, share(&entry.summary), change);
                }
            });
        }
        markup.raw("</tbody>");
    });
}

fn attribute(markup: &mut Markup, share: Option<&Estimate>, change: Option<&Estimate>) {
    let Some(share) = share else {
        estimate(markup, None, SHARES, None);
        return;
    };
    markup.element("td", &[("class", &"number")], |markup| {
        number(markup, share, SHARES);
        if let Some(change) = change {
            let class = match verdict(change, 0.0) {
                Verdict::Above => "change above",
                Verdict::Below => "change below",
                Verdict::Includes => "change",
            };
            markup.element("span", &[("class", &class)], |markup| {
                number(markup, change, POINTS)
            });
        }
    });
}
