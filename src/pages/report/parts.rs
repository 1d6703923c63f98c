//! Pieces that several sections are made of.

use super::bar::BarAxis;
use super::format::{counted, short, shorten};
use super::markup::{Attribute, Markup};
use crate::inspect::report::model::{Interval, ModelLabel, Origin, Side};

/// Characters of a prompt that are shown.
const PROMPT: usize = 240;

/// Adds a table in a box of its own that scrolls when it is too wide; the caption stays where it is.
pub(super) fn table(
    markup: &mut Markup,
    caption: &str,
    class: &'static str,
    content: impl FnOnce(&mut Markup),
) {
    markup.leaf(
        "p",
        &[
            ("class", &format!("caption for-{class}")),
            ("aria-hidden", &"true"),
        ],
        caption,
    );
    let region: [Attribute<'_>; 4] = [
        ("class", &"scroll"),
        ("role", &"region"),
        ("tabindex", &"0"),
        ("aria-label", &caption),
    ];
    markup.element("div", &region, |markup| {
        markup.element("table", &[("class", &class)], content);
    });
}

/// Adds the head of a table; each column has a name and a class.
pub(super) fn head(markup: &mut Markup, columns: &[(&str, &'static str)]) {
    markup.raw("<thead><tr>");
    for (name, class) in columns {
        markup.leaf("th", &[("scope", &"col"), ("class", class)], name);
    }
    markup.raw("</tr></thead>");
}

/// Adds the body of a table, a row for each of `rows`.
pub(super) fn body<R>(markup: &mut Markup, rows: impl IntoIterator<Item = R>, row: impl Fn(&mut Markup, R)) {
    markup.raw("<tbody>");
    for one in rows {
        markup.element("tr", &[], |markup| row(markup, one));
    }
    markup.raw("</tbody>");
}

/// Adds a link to what is known of a stage.
pub(super) fn origin(markup: &mut Markup, origin: &Origin) {
    markup.element(
        "a",
        &[("href", &format!("#{}", origin.anchor)), ("class", &"origin")],
        |markup| {
            markup.leaf("code", &[], short(&origin.name, 80));
        },
    );
}

/// Adds a prompt, kept apart from the text around it whatever its direction, cut off when it is very long.
pub(super) fn prompt(markup: &mut Markup, text: &str) {
    let (start, rest) = shorten(text, PROMPT);
    markup.leaf("bdi", &[("dir", &"auto"), ("class", &"prompt")], start);
    if rest > 0 {
        let rest = format!(" ({} more characters)", super::format::count(rest as u64));
        markup.leaf("span", &[("class", &"muted")], rest);
    }
}

/// Says how many of something are not shown and why, if there are any.
pub(super) fn left_out(markup: &mut Markup, number: usize, noun: &str, why: &str) {
    if number > 0 {
        let text = format!("{}{why}", counted(number as u64, noun));
        markup.leaf("p", &[("class", &"left-out")], text);
    }
}

/// Adds the name of a model as the head of a row.
pub(super) fn model(markup: &mut Markup, model: &ModelLabel) {
    markup.leaf("th", &[("scope", &"row"), ("class", &"model")], model_name(model));
}

/// Names a model in words.
pub(super) fn model_name(model: &ModelLabel) -> String {
    match model {
        ModelLabel::Base => "base".to_owned(),
        ModelLabel::Tuned { round, arms, stage } => {
            let arms = arms.join(" = ");
            match (round, arms.is_empty()) {
                (Some(round), true) => format!("round {round}"),
                (Some(round), false) => format!("round {round}, {arms}"),
                (None, true) => format!("tuned by {stage}"),
                (None, false) => arms,
            }
        }
    }
}

/// Names a model within a sentence.
pub(super) fn model_phrase(model: &ModelLabel) -> String {
    match model {
        ModelLabel::Base => "the base model".to_owned(),
        ModelLabel::Tuned {
            round: None, arms, ..
        } if arms.is_empty() => {
            format!("the model {}", model_name(model))
        }
        ModelLabel::Tuned { .. } => format!("the model of {}", model_name(model)),
    }
}

/// How a column writes its numbers.
#[derive(Clone, Copy)]
pub(super) struct NumberStyle {
    pub(super) value: fn(f64) -> String,
    /// Writes the ends of the interval.
    pub(super) end: fn(f64) -> String,
}

/// Shares.
pub(super) const SHARES: NumberStyle = NumberStyle {
    value: super::format::percent,
    end: super::format::hundredths,
};

/// Differences of shares.
pub(super) const POINTS: NumberStyle = NumberStyle {
    value: super::format::points,
    end: super::format::points,
};

/// Numbers of any size.
pub(super) const NUMBERS: NumberStyle = NumberStyle {
    value: super::format::number,
    end: super::format::number,
};

/// Differences of numbers of any size.
pub(super) const CHANGES: NumberStyle = NumberStyle {
    value: super::format::change,
    end: super::format::change,
};

/// Plain numbers with three decimals.
pub(super) const THREE: NumberStyle = NumberStyle {
    value: super::format::three,
    end: super::format::three,
};

/// Adds a cell with a number, its interval and a bar; a dash if there is none.
pub(super) fn estimate(
    markup: &mut Markup,
    interval: Option<&Interval>,
    style: NumberStyle,
    axis: Option<BarAxis>,
) {
    let Some(interval) = interval else {
        markup.raw("<td class=\"number\"><span class=\"muted\">&ndash;</span></td>");
        return;
    };
    markup.element("td", &[("class", &"number")], |markup| {
        number(markup, interval, style);
        if let Some(axis) = axis {
            axis.draw(markup, interval);
        }
    });
}

/// Adds a difference and a cell that says on which side of 0 its interval lies.
pub(super) fn difference(
    markup: &mut Markup,
    change: Option<&Interval>,
    style: NumberStyle,
    axis: Option<BarAxis>,
) {
    estimate(markup, change, style, axis);
    let Some(change) = change else {
        markup.raw("<td></td>");
        return;
    };
    let class = match change.side {
        Some(Side::Above) => "verdict above",
        Some(Side::Below) => "verdict below",
        Some(Side::Includes) | None => "verdict",
    };
    markup.element("td", &[], |markup| {
        markup.leaf("span", &[("class", &class)], side(change));
    });
}

/// Adds a number with its interval.
pub(super) fn number(markup: &mut Markup, interval: &Interval, style: NumberStyle) {
    markup.leaf("span", &[("class", &"value")], (style.value)(interval.value));
    markup.raw(" ");
    markup.leaf(
        "span",
        &[("class", &"interval")],
        super::format::interval(interval, style.end),
    );
}

/// Says in words on which side of 0 a difference lies.
pub(super) fn side(difference: &Interval) -> &'static str {
    match difference.side {
        Some(Side::Above) => "above 0",
        Some(Side::Below) => "below 0",
        Some(Side::Includes) | None => "includes 0",
    }
}

/// Writes a confidence such as `95%`.
pub(super) fn confidence(confidence: f64) -> String {
    format!("{}%", (confidence * 1000.0).round() / 10.0)
}
