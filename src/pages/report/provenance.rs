//! Where every number comes from.

use super::format::{bytes, count, duration, number, short, shorten, time};
use super::markup::Markup;
use super::parts::{body, head, origin, table};
use crate::engine::Outcome;
use crate::inspect::report::model::{OutputFacts, Report, ResultFacts, StageFacts};

/// Characters of settings that are shown; an inline list of prompts may be any size.
const SETTINGS: usize = 20_000;

/// Digits of a digest that are shown; the rest is in its title.
const DIGITS: usize = 12;

/// Adds an overview of all stages, then what is known of each.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    if report.stages.is_empty() {
        return;
    }
    markup.raw(
        "<p>Numbers link to the stage they come from. A stage key is the hash of everything that determines a \
         result; a content digest is the hash of the result itself. Equal digests mean equal results.</p>",
    );
    overview(markup, report);
    for stage in &report.stages {
        details(markup, stage);
    }
}

fn overview(markup: &mut Markup, report: &Report) {
    let caption =
        "Stages in the order in which they ran; cost is the computation behind the result, whenever it ran";
    table(markup, caption, "stages", |markup| {
        let columns = [
            ("stage", ""),
            ("kind", ""),
            ("result", ""),
            ("this run", "number"),
            ("cost", "number"),
            ("key", ""),
        ];
        head(markup, &columns);
        body(markup, &report.stages, |markup, stage| {
            markup.element("th", &[("scope", &"row")], |markup| {
                markup.element("a", &[("href", &format!("#{}", stage.anchor))], |markup| {
                    names(markup, stage)
                });
            });
            let result = stage.result.as_ref();
            markup.leaf("td", &[], result.map_or("", |result| result.kind.as_str()));
            markup.leaf("td", &[], outcome(stage));
            let span = |seconds: Option<f64>| seconds.map_or_else(String::new, duration);
            markup.leaf("td", &[("class", &"number")], span(stage.seconds));
            markup.leaf(
                "td",
                &[("class", &"number")],
                span(result.map(|result| result.cost_seconds)),
            );
            markup.element("td", &[], |markup| digest(markup, &stage.key));
        });
    });
}

fn names(markup: &mut Markup, stage: &StageFacts) {
    for (position, name) in stage.names.iter().enumerate() {
        if position > 0 {
            markup.raw(", ");
        }
        markup.leaf("code", &[], short(name, 80));
    }
}

fn outcome(stage: &StageFacts) -> &'static str {
    match (stage.outcome, &stage.result) {
        (_, None) => "none yet",
        (Some(Outcome::Computed), _) => "computed",
        (Some(Outcome::Reused), _) => "from the store",
        (None, _) => "there",
    }
}

fn digest(markup: &mut Markup, digest: &str) {
    let start: String = digest.chars().take(DIGITS).collect();
    markup.leaf("code", &[("title", &digest), ("class", &"digest")], start);
}

fn details(markup: &mut Markup, stage: &StageFacts) {
    markup.element(
        "details",
        &[("id", &stage.anchor), ("class", &"stage")],
        |markup| {
            markup.element("summary", &[], |markup| {
                names(markup, stage);
                let kind = stage
                    .result
                    .as_ref()
                    .map_or("no result", |result| result.kind.as_str());
                markup.raw(" ").leaf("span", &[("class", &"muted")], kind);
            });
            markup.raw("<dl class=\"facts-list\"><dt>key</dt><dd>");
            markup
                .leaf("code", &[("class", &"whole")], &stage.key)
                .raw("</dd>");
            if let Some(result) = &stage.result {
                facts(markup, result);
            }
            markup.raw("</dl>");
            if let Some(result) = &stage.result {
                outputs(markup, &result.outputs);
                let (settings, rest) = shorten(&result.settings, SETTINGS);
                markup.raw("<p class=\"label\">What the key was derived from</p>");
                markup.leaf("pre", &[("tabindex", &"0")], settings);
                if rest > 0 {
                    let rest = format!("{} more characters", count(rest as u64));
                    markup.leaf("p", &[("class", &"muted")], rest);
                }
            }
        },
    );
}

fn facts(markup: &mut Markup, result: &ResultFacts) {
    let computed = format!("{}, {}", time(result.computed), result.producer);
    markup.raw("<dt>computed</dt>").leaf("dd", &[], computed);
    markup
        .raw("<dt>revision</dt>")
        .leaf("dd", &[], format!("{} of {}", result.revision, result.kind));
    for input in &result.inputs {
        markup.leaf("dt", &[], format!("reads {}", short(&input.port, 60)));
        markup.element("dd", &[], |markup| {
            digest(markup, &input.content);
            match &input.origin {
                Some(from) => {
                    markup.raw(" from ");
                    origin(markup, from);
                }
                None => drop(markup.raw(" from outside the store")),
            }
        });
    }
    for (name, value) in &result.metrics {
        let value = value
            .parse::<f64>()
            .ok()
            .filter(|_| value.contains('.'))
            .map_or_else(|| value.clone(), number);
        markup
            .leaf("dt", &[], short(name, 60))
            .leaf("dd", &[], short(&value, 300));
    }
}

fn outputs(markup: &mut Markup, outputs: &[OutputFacts]) {
    if outputs.is_empty() {
        return;
    }
    table(markup, "Outputs", "stages", |markup| {
        let columns = [
            ("output", ""),
            ("kind", ""),
            ("rows", "number"),
            ("bytes", "number"),
            ("content digest", ""),
        ];
        head(markup, &columns);
        body(markup, outputs, |markup, output| {
            markup
                .leaf("th", &[("scope", &"row")], &output.port)
                .leaf("td", &[], output.kind);
            let rows = output.rows.map_or_else(String::new, count);
            markup.leaf("td", &[("class", &"number")], rows);
            markup.leaf("td", &[("class", &"number")], bytes(output.bytes));
            markup
                .raw("<td>")
                .leaf("code", &[("class", &"whole")], &output.content)
                .raw("</td>");
        });
    });
}
