//! `mitune store roots` and `mitune store why`

use mitune_store::{CollectOptions, KeptWhy, PinTarget, Store};
use serde_json::json;

use super::{find, pin};
use crate::failure::Failure;
use crate::ui::{Table, line, moment, print_json};

/// Lists what a collection with default settings starts from.
pub(super) fn roots(store: &Store, as_json: bool) -> Result<(), Failure> {
    let pins = store.pins().list().map_err(pin::failure)?;
    let runs = store.runs_kept(&CollectOptions::default())?;
    if as_json {
        return print_json(&json!({ "pins": pins, "runs": runs }));
    }
    let mut table = Table::with_headings(["ROOT", "NAME", "KEEPS", "SINCE", "WHY"]);
    for pin in pins {
        let keeps = match &pin.target {
            PinTarget::Run(run) => format!("run {run}"),
            PinTarget::Stage(key) => format!("stage {}", key.short()),
            PinTarget::Artifact { artifact, .. } => format!("artifact {}", artifact.file.short()),
        };
        let why = [Some(pin.who), pin.why]
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty());
        let why = why.collect::<Vec<_>>().join(": ");
        table.row([
            "pin".to_owned(),
            pin.name.to_string(),
            keeps,
            moment(pin.when),
            why,
        ]);
    }
    for run in runs {
        let why = match run.why {
            Some(KeptWhy::Recent) => "recent",
            Some(KeptWhy::Newest) => "one of the newest of its pipeline",
            None => "not kept",
        };
        let since = moment(run.id.time());
        table.row([
            "run".to_owned(),
            run.id.to_string(),
            format!("`{}`", run.pipeline),
            since,
            why.to_owned(),
        ]);
    }
    table.print()
}

/// Prints the ways from roots to something; the exit code is 1 if there is none.
pub(super) fn why(store: &Store, text: &str, as_json: bool) -> Result<u8, Failure> {
    let digits = find::digits(text)?;
    let chains = store
        .why(&digits, &CollectOptions::default())
        .map_err(Failure::failed)?;
    if as_json {
        print_json(&chains)?;
        return Ok(u8::from(chains.is_empty()));
    }
    for chain in &chains {
        let steps = chain.steps.iter().map(|step| {
            let digest: String = step.digest.chars().take(12).collect();
            format!("{} {digest}", step.what)
        });
        let way = std::iter::once(chain.root.to_string())
            .chain(steps)
            .collect::<Vec<_>>();
        line(way.join(" -> "))?;
    }
    if chains.is_empty() {
        line(format!("Nothing keeps `{digits}`"))?;
    }
    Ok(u8::from(chains.is_empty()))
}
