//! What a reader should know before the numbers.

use super::format::short;
use super::markup::Markup;
use super::parts;
use crate::inspect::report::model::{Note, Report};

/// Notes that are shown before the rest is folded away.
const SHOWN: usize = 6;

/// Adds the notes, if there are any.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.notes.is_empty() {
        return;
    }
    let (shown, folded) = report.notes.split_at(report.notes.len().min(SHOWN));
    let list = |markup: &mut Markup, notes: &[Note]| {
        markup.element("ul", &[], |markup| {
            for note in notes {
                markup.element("li", &[], |markup| {
                    if let Some(origin) = &note.origin {
                        parts::origin(markup, origin);
                        markup.raw(": ");
                    }
                    markup.leaf("bdi", &[], short(&note.text, 600));
                });
            }
        });
    };
    markup.raw("<aside class=\"notes\" aria-label=\"Notes\">");
    list(markup, shown);
    if !folded.is_empty() {
        markup
            .raw("<details><summary>")
            .text(format!("{} more notes", folded.len()))
            .raw("</summary>");
        list(markup, folded);
        markup.raw("</details>");
    }
    markup.raw("</aside>\n");
}
