//! `mitune lineage`

mod draw;
mod text;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use mitune_store::{Lineage, LineageReach, StageKey, Store};
use serde_json::json;

use super::store::find;
use crate::failure::Failure;
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
    let graph = Graph::new(&store, start, store.lineage(&start, reach)?)?;
    if session.json {
        return print_json(&graph.document());
    }
    let text = match arguments.format {
        Form::Text => text::write(&graph),
        Form::Dot => draw::dot(&graph),
        Form::Mermaid => draw::mermaid(&graph),
    };
    print(text.as_bytes())
}

/// A lineage with the names that runs gave to its results.
struct Graph {
    start: StageKey,
    lineage: Lineage,
    names: BTreeMap<StageKey, String>,
}

impl Graph {
    fn new(store: &Store, start: StageKey, lineage: Lineage) -> Result<Self, Failure> {
        let mut names = BTreeMap::new();
        // The newest run first: its name for a result is the one people remember.
        for run in store.runs()? {
            for (name, key) in &run.stages {
                if lineage.records.contains_key(key) {
                    let name = || format!("{} of {}", name, run.pipeline);
                    names.entry(*key).or_insert_with(name);
                }
            }
        }
        Ok(Self {
            start,
            lineage,
            names,
        })
    }

    /// All results, also those that are named but not in the store.
    fn nodes(&self) -> Vec<StageKey> {
        let edges = self.lineage.edges.iter().flat_map(|edge| [edge.from, edge.to]);
        let mut nodes: Vec<StageKey> = edges.chain([self.start]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Describes a result in a few words: kind, name, key.
    fn label(&self, key: &StageKey) -> String {
        let short = key.short();
        let Some(record) = self.lineage.records.get(key) else {
            return format!("{short} (not in this store)");
        };
        let name = self
            .names
            .get(key)
            .map_or_else(String::new, |name| format!(" {name}"));
        format!("{}{name} {short}", record.stage)
    }

    /// When and where a result was computed, and what it took.
    fn circumstances(&self, key: &StageKey) -> Option<String> {
        let record = self.lineage.records.get(key)?;
        let device = record.producer.device.as_ref();
        let device = device.map_or_else(String::new, |device| format!(" on {device}"));
        let (when, seconds) = (moment(record.ended), record.cost_seconds);
        Some(format!("{when}, {seconds:.1} s{device}"))
    }

    fn document(&self) -> serde_json::Value {
        let nodes = self.nodes().into_iter().map(|key| {
            let record = self.lineage.records.get(&key);
            json!({ "key": key, "name": self.names.get(&key), "record": record })
        });
        let edges = self
            .lineage
            .edges
            .iter()
            .map(|edge| json!({ "from": edge.from, "to": edge.to, "port": edge.port }));
        json!({
            "start": self.start,
            "nodes": nodes.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(),
        })
    }
}
