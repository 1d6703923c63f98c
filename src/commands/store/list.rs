//! `mitune store ls`

use clap::Args;
use mitune_store::{MetricCondition, Query, Store};
use serde_json::json;

use crate::failure::Failure;
use crate::ui::{Table, bytes, moment, print_json};

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only those of one kind of stage
    #[arg(long, value_name = "KIND")]
    stage: Option<String>,

    /// Only those that a run of this pipeline computed or used
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Only those that a run with this tag computed or used, see `mitune run --tag`
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Only those of stages with such a metric, as in 'loss<0.5'; may be given several times
    #[arg(long = "metric", value_name = "CONDITION")]
    metrics: Vec<MetricCondition>,

    /// Only tables that hold this prompt, given as its whole text or its identifier
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
}

pub(crate) fn run(store: &Store, arguments: ListArguments, json: bool) -> Result<(), Failure> {
    let artifacts = store.catalog().query(&Query {
        stage: arguments.stage,
        pipeline: arguments.pipeline,
        tag: arguments.tag,
        metrics: arguments.metrics,
        prompt: arguments.prompt,
    })?;
    if json {
        let entries = artifacts.iter().map(|listed| {
            json!({
                "digest": listed.artifact.file,
                "content": listed.artifact.content,
                "kind": listed.artifact.kind,
                "bytes": listed.artifact.bytes,
                "rows": listed.artifact.rows,
                "created": moment(listed.created),
                "stage": listed.stage,
                "port": listed.port,
                "key": listed.key,
            })
        });
        return print_json(&entries.collect::<Vec<_>>());
    }
    let mut table = Table::with_headings(["DIGEST", "KIND", "SIZE", "ROWS", "CREATED", "STAGE", "OUTPUT"]);
    for listed in artifacts {
        table.row([
            listed.artifact.file.short(),
            listed.artifact.kind.as_str().to_owned(),
            bytes(listed.artifact.bytes),
            listed
                .artifact
                .rows
                .map_or_else(|| "-".to_owned(), |rows| rows.to_string()),
            moment(listed.created),
            listed.stage,
            listed.port,
        ]);
    }
    table.print()
}
