//! Images inside the page.

use super::format::short;
use super::markup::Markup;
use crate::inspect::report::model::Picture;

/// Images with a longer side of less than this many pixels are enlarged without smoothing.
const SMALL: u32 = 64;

/// Adds an image with its verdict as a mark in words for readers and as a sign for the eye.
///
/// `subject` says what the image is, such as `Candidate 3 of ...`.
pub(super) fn picture(markup: &mut Markup, picture: &Picture, subject: &str) {
    let mut alternative = short(subject, 160);
    if let Some(verdict) = &picture.verdict {
        let judged = if verdict.aligned { "aligned" } else { "not aligned" };
        let reading = short(&verdict.reading, 120);
        alternative.push_str(&format!(". Shows: {reading}; {judged}"));
    }
    let class = match (&picture.verdict, picture.width.max(picture.height) < SMALL) {
        (Some(verdict), small) => match (verdict.aligned, small) {
            (true, true) => "picture small aligned",
            (true, false) => "picture aligned",
            (false, true) => "picture small misaligned",
            (false, false) => "picture misaligned",
        },
        (None, true) => "picture small",
        (None, false) => "picture",
    };
    markup.element("span", &[("class", &class)], |markup| {
        let data = format!("data:image/png;base64,{}", picture.png);
        let title = picture
            .verdict
            .as_ref()
            .map_or_else(String::new, |verdict| short(&verdict.reading, 120));
        markup.open(
            "img",
            &[
                ("src", &data),
                ("width", &picture.width),
                ("height", &picture.height),
                ("alt", &alternative),
                ("title", &title),
            ],
        );
        match picture.verdict.as_ref().map(|verdict| verdict.aligned) {
            Some(true) => drop(markup.raw("<span class=\"mark\" aria-hidden=\"true\">&#10003;</span>")),
            Some(false) => drop(markup.raw("<span class=\"mark\" aria-hidden=\"true\">&#10005;</span>")),
            None => {}
        }
    });
}

/// Explains the marks.
pub(super) fn key(markup: &mut Markup) {
    markup.raw(
        "<p class=\"key\"><span class=\"sign aligned\">&#10003;</span> aligned: the image shows what its prompt says. \
         <span class=\"sign misaligned\">&#10005;</span> not aligned.</p>",
    );
}
