//! The base and tuned models on the same prompts and seeds.

use super::format::{count, counted, short};
use super::judgements::judgements;
use super::markup::Markup;
use super::parts::{body, model, model_name, origin, prompt, table};
use super::picture::{key, picture};
use crate::inspect::report::model::{Report, SideBySide, SideBySidePrompt};

/// Adds one table for each prompt.
pub(super) fn add(markup: &mut Markup, report: &Report) {
    let Some(compared) = &report.side_by_side else {
        return;
    };
    markup.element("p", &[], |markup| {
        markup.text(format!(
            "{} of {} prompts, evenly spread over the table. A column is a seed: each model starts from the same \
             noise. Images come from ",
            compared.prompts.len(),
            count(compared.prompts_in_all as u64)
        ));
        for (position, (_, from)) in compared.models.iter().enumerate() {
            if position > 0 {
                markup.raw(", ");
            }
            origin(markup, from);
        }
        markup.raw(".");
    });
    let rows = compared.prompts.iter().flat_map(|prompt| &prompt.rows);
    if rows.flatten().any(|picture| picture.verdict.is_some()) {
        key(markup);
    }
    markup.element("div", &[("class", &"columns")], |markup| {
        for shown in &compared.prompts {
            markup.element("div", &[("class", &"card")], |markup| {
                one(markup, compared, shown)
            });
        }
    });
    let others = [
        (compared.other_models, "more tuned model", " on these prompts"),
        (compared.other_tables, "comparison", " on other prompts"),
    ];
    let others: Vec<String> = others
        .into_iter()
        .filter(|(number, _, _)| *number > 0)
        .map(|(number, name, of)| counted(number as u64, name) + of)
        .collect();
    if !others.is_empty() {
        let text = format!("Not shown here: {}.", others.join(", "));
        markup.leaf("p", &[("class", &"left-out")], text);
    }
}

fn one(markup: &mut Markup, compared: &SideBySide, shown: &SideBySidePrompt) {
    markup.element("h3", &[("class", &"prompt-heading")], |markup| {
        prompt(markup, &shown.text)
    });
    let caption = format!("Images of {} by model and seed index", short(&shown.text, 120));
    table(markup, &caption, "seeds", |markup| {
        markup.raw("<thead><tr><th scope=\"col\">model</th>");
        for seed in &shown.seed_indices {
            markup.leaf("th", &[("scope", &"col")], seed);
        }
        markup.raw("</tr></thead>");
        let rows = compared.models.iter().zip(&shown.rows);
        body(markup, rows, |markup, ((label, _), pictures)| {
            model(markup, label);
            for (seed, shot) in shown.seed_indices.iter().zip(pictures) {
                markup.raw("<td>");
                let subject = format!(
                    "Seed {seed} by {}, {}",
                    model_name(label),
                    short(&shown.text, 100)
                );
                picture(markup, shot, &subject);
                judgements(markup, &shot.judgements);
                markup.raw("</td>");
            }
        });
    });
}
