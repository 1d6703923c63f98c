//! `mitune remote list`

use mitune_store::Store;
use mitune_store::remote::{RemoteSettings, describe};
use mitune_store::trust::{PolicySettings, Unsigned};
use serde_json::json;

use crate::failure::Failure;
use crate::ui::{Table, print_json};

pub(super) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let mut remotes = Vec::new();
    for name in store.remotes().names()? {
        let settings = store.remotes().read(&name);
        remotes.push((name, settings));
    }
    if json {
        let entries = remotes.iter().map(|(name, settings)| match settings {
            // What is in force, whether it was said or follows.
            Ok(settings) => json!({
                "name": name,
                "settings": RemoteSettings {
                    policy: PolicySettings {
                        unsigned: Some(settings.policy().unsigned),
                        ..settings.policy.clone()
                    },
                    ..settings.clone()
                },
                "unsigned_follows_trust": settings.policy.unsigned.is_none(),
            }),
            Err(error) => json!({ "name": name, "error": describe(error), "hint": error.hint() }),
        });
        return print_json(&entries.collect::<Vec<_>>());
    }
    let mut table = Table::with_headings(["NAME", "READ", "WRITE", "TRUST", "URL"]);
    for (name, settings) in remotes {
        let settings = match settings {
            Ok(settings) => settings,
            Err(error) => {
                let unknown = || "unreadable".to_owned();
                table.row([name, unknown(), unknown(), unknown(), describe(&error)]);
                continue;
            }
        };
        let write = match (settings.read_only, settings.write_back) {
            (true, _) => "never",
            (false, true) => "runs",
            (false, false) => "push",
        };
        let unsigned = match settings.policy().unsigned {
            Unsigned::Accept => "unsigned accepted",
            Unsigned::Warn => "unsigned warned of",
            Unsigned::Deny => "unsigned refused",
        };
        table.row([
            name,
            (if settings.read_through { "runs" } else { "pull" }).to_owned(),
            write.to_owned(),
            format!("{} keys, {unsigned}", settings.policy.trust.len()),
            settings.url,
        ]);
    }
    table.print()
}
