//! Distances and diversity of whole sets of images.

use super::bar::BarAxis;
use super::format::{count, counted, number as plain, short};
use super::markup::Markup;
use super::parts::{NUMBERS, body, confidence, estimate, head, origin, table};
use crate::inspect::report::model::{Interval, MeasuredDiversity, MeasuredSet, MeasuredSets, Report};

/// Characters of the name of an arm that are shown.
const NAME: usize = 80;

/// Adds one table for each stage that measured sets.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.sets.is_empty() {
        return;
    }
    markup.raw(
        "<p>A distance is 0 for sets of one distribution, and lower is closer; it is too large by an amount that grows as \
         sets shrink, so compare sets of equal size only. Its intervals resample images. Diversity is measured within each \
         prompt and resamples prompts: the mean cosine distance is 0 for equal images, and the Vendi score is the number of \
         images that have nothing in common which those of a prompt count as.</p>",
    );
    for sets in &report.sets {
        add_sets(markup, sets);
    }
}

fn add_sets(markup: &mut Markup, sets: &MeasuredSets) {
    markup.element("h3", &[], |markup| {
        markup.leaf("code", &[], short(&sets.metric, NAME));
        markup.raw(" <span class=\"muted\">from</span> ");
        origin(markup, &sets.origin);
    });
    match sets.reference_images {
        Some(images) => distances(markup, sets, images),
        None => diversities(markup, sets),
    }
}

fn distances(markup: &mut Markup, sets: &MeasuredSets, reference: u64) {
    let reference = counted(reference, "image");
    let axis = BarAxis::of(sets.arms.iter().filter_map(|arm| arm.interval.as_ref()));
    let intervals = match axis.is_some() {
        true => format!(", with {} intervals", confidence(sets.confidence)),
        false => String::new(),
    };
    let caption = format!("Distance of each arm to {reference} of reference{intervals}");
    table(markup, &caption, "estimates", |markup| {
        head(
            markup,
            &[("arm", ""), ("images", "number"), ("distance", "number")],
        );
        body(markup, &sets.arms, |markup, arm| {
            named(markup, arm);
            match (&arm.interval, arm.distance) {
                (None, Some(distance)) => {
                    markup.leaf("td", &[("class", &"number")], plain(distance));
                }
                (interval, _) => estimate(markup, interval.as_ref(), NUMBERS, axis),
            }
        });
    });
}

fn diversities(markup: &mut Markup, sets: &MeasuredSets) {
    let caption = format!(
        "Diversity of the images of a prompt by arm, with {} intervals",
        confidence(sets.confidence)
    );
    let axis = |of: fn(&MeasuredDiversity) -> &Interval| {
        BarAxis::of(sets.arms.iter().filter_map(|arm| arm.diversity.as_ref().map(of)))
    };
    let distances = axis(|diversity| &diversity.mean_cosine_distance);
    let scores = axis(|diversity| &diversity.vendi_score);
    table(markup, &caption, "estimates", |markup| {
        let columns = [
            ("arm", ""),
            ("images", "number"),
            ("prompts", "number"),
            ("mean cosine distance", "number"),
            ("Vendi score", "number"),
        ];
        head(markup, &columns);
        body(markup, &sets.arms, |markup, arm| {
            named(markup, arm);
            let diversity = arm.diversity.as_ref();
            let prompts = diversity.map_or(0, |diversity| diversity.prompts);
            markup.leaf("td", &[("class", &"number")], count(prompts));
            let distance = diversity.map(|diversity| &diversity.mean_cosine_distance);
            estimate(markup, distance, NUMBERS, distances);
            estimate(
                markup,
                diversity.map(|diversity| &diversity.vendi_score),
                NUMBERS,
                scores,
            );
        });
    });
}

fn named(markup: &mut Markup, arm: &MeasuredSet) {
    markup.leaf("th", &[("scope", &"row")], short(&arm.name, NAME));
    markup.leaf("td", &[("class", &"number")], count(arm.images));
}
