//! `mitune lineage`

mod draw;
mod text;

use clap::{Args, ValueEnum};
use mitune_store::{LineageReach, StageKey};

use super::store::find;
use crate::failure::Failure;
use crate::inspect::lineage::ResultLineage;
use crate::session::Session;
use crate::ui::{moment, print, print_json};

#[derive(Debug, Args)]
pub(crate) struct LineageArguments {
    /// First digits of a file digest, a content digest or a stage key
    artifact: String,

    /// Only what it was made from
    #[arg(long, conflicts_with = "down")]
    up: bool,

    /// Only what was made from it
    #[arg(long)]
    down: bool,

    /// Steps to go at most
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true)]
    depth: Option<usize>,

    /// How to show it; `--json` gives nodes and edges
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// Indented lines
    Text,
    /// A graph for Graphviz
    Dot,
    /// A flow chart for Mermaid
    Mermaid,
}

/// Shows where a result comes from and what was made of it.
pub(crate) fn run(arguments: &LineageArguments, session: &Session<'_>) -> Result<(), Failure> {
    let store = session.reading_store()?;
    let start = find::stage_key(&store, &arguments.artifact)?;
    let steps = |wanted: bool| if wanted { arguments.depth } else { Some(0) };
    let reach = LineageReach {
        up: steps(!arguments.down),
        down: steps(!arguments.up),
    };
    let lineage = ResultLineage::new(&store, start, reach)?;
    if session.json {
        // As a value first, so that fields stand in the order of their names.
        return print_json(&serde_json::to_value(&lineage)?);
    }
    let text = match arguments.format {
        Form::Text => text::write(&lineage),
        Form::Dot => draw::dot(&lineage),
        Form::Mermaid => draw::mermaid(&lineage),
    };
    print(text.as_bytes())
}

/// Describes a result in a few words: kind, name, key.
fn label(lineage: &ResultLineage, key: &StageKey) -> String {
    let short = key.short();
    let node = lineage.node(key);
    let Some(record) = node.and_then(|node| node.record.as_ref()) else {
        return format!("{short} (not in this store)");
    };
    let name = node.and_then(|node| node.name.as_ref());
    let name = name.map_or_else(String::new, |name| format!(" {name}"));
    format!("{}{name} {short}", record.stage)
}

/// When and where a result was computed, and what it took.
fn circumstances(lineage: &ResultLineage, key: &StageKey) -> Option<String> {
    let record = lineage.node(key)?.record.as_ref()?;
    let device = record.producer.device.as_ref();
    let device = device.map_or_else(String::new, |device| format!(" on {device}"));
    let (when, seconds) = (moment(record.ended), record.cost_seconds);
    Some(format!("{when}, {seconds:.1} s{device}"))
}
