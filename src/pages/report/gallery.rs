//! Candidates of a few prompts, the best first.

use super::format::{count, number};
use super::judgements::judgements;
use super::markup::Markup;
use super::parts::{left_out, model_phrase, origin, prompt};
use super::picture::{key, picture};
use crate::inspect::report::model::{Gallery, GalleryCandidate, GalleryPrompt, Report};

/// Adds one grid for each prompt.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(gallery) = &report.gallery else { return };
    markup.element("p", &[], |markup| {
        markup.text(format!(
            "{} of {} prompts, evenly spread over the table, with candidates of {} from ",
            gallery.prompts.len(),
            count(gallery.prompts_in_all as u64),
            model_phrase(&gallery.model)
        ));
        origin(markup, &gallery.origin);
        markup
            .raw(". Under each image stand its place and its score, and whether it was chosen for training.");
    });
    order(markup, gallery);
    let mut shown = gallery.prompts.iter().flat_map(|prompt| &prompt.candidates);
    if shown.any(|one| one.picture.verdict.is_some()) {
        key(markup);
    }
    for prompt in &gallery.prompts {
        grid(markup, gallery, prompt);
    }
    let why = " of candidates of this run: not shown here.";
    left_out(markup, gallery.other_pools, "more pool", why);
}

/// Adds the choice of the score; without a script the order stays as it is and the choice stays hidden.
fn order(markup: &mut Markup, gallery: &Gallery) {
    markup.element("p", &[("class", &"order")], |markup| {
        let name = &gallery.scores[gallery.sorted_by];
        markup
            .raw("Ordered by ")
            .leaf("code", &[("id", &"order-name")], name)
            .raw(".");
        if gallery.scores.len() > 1 {
            markup.raw(" <label hidden>Order by <select id=\"order\">");
            for (position, score) in gallery.scores.iter().enumerate() {
                let mut attributes: Vec<super::markup::Attribute<'_>> = vec![("value", &position)];
                if position == gallery.sorted_by {
                    attributes.push(("selected", &""));
                }
                markup.leaf("option", &attributes, score);
            }
            markup.raw("</select></label>");
        }
    });
}

fn grid(markup: &mut Markup, gallery: &Gallery, shown: &GalleryPrompt) {
    markup.element("h3", &[("class", &"prompt-heading")], |markup| {
        prompt(markup, &shown.text)
    });
    let gap = shown
        .candidates
        .iter()
        .zip(shown.candidates.iter().skip(1))
        .position(|(one, next)| one.rank + 1 < next.rank);
    markup.element("ol", &[("class", &"grid")], |markup| {
        for (position, candidate) in shown.candidates.iter().enumerate() {
            cell(markup, gallery, shown, candidate);
            if gap == Some(position) {
                let text = format!("{} not shown", shown.left_out);
                markup.leaf("li", &[("class", &"gap")], text);
            }
        }
    });
}

fn cell(markup: &mut Markup, gallery: &Gallery, shown: &GalleryPrompt, candidate: &GalleryCandidate) {
    let scores: Vec<String> = candidate
        .scores
        .iter()
        .map(|score| score.map_or_else(String::new, |score| format!("{score:e}")))
        .collect();
    let texts: Vec<String> = candidate
        .scores
        .iter()
        .map(|score| score.map_or_else(|| "no score".to_owned(), number))
        .collect();
    let (scores, joined) = (scores.join(" "), texts.join("\u{a6}"));
    let attributes: [super::markup::Attribute<'_>; 2] = [("data-scores", &scores), ("data-texts", &joined)];
    markup.element("li", &attributes, |markup| {
        let subject = format!(
            "Candidate {} of {}",
            candidate.seed_index,
            super::format::short(&shown.text, 120)
        );
        picture(markup, &candidate.picture, &subject);
        markup.element("span", &[("class", &"under")], |markup| {
            markup.leaf("span", &[("class", &"rank")], candidate.rank);
            markup
                .raw(" ")
                .leaf("span", &[("class", &"score")], &texts[gallery.sorted_by]);
            if let Some(arms) = &candidate.selected_by {
                let text = match arms.is_empty() {
                    true => "chosen".to_owned(),
                    false => format!("chosen: {}", arms.join(", ")),
                };
                markup.raw(" ").leaf("span", &[("class", &"chosen")], text);
            }
        });
        judgements(markup, &candidate.picture.judgements);
    });
}
