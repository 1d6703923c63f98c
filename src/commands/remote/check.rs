//! `mitune remote check`

use mitune_store::Store;
use mitune_store::remote::{RemoteError, describe, probe};
use serde_json::json;

use crate::aws_environment::credentials;
use crate::failure::Failure;
use crate::ui::{line, print_json};

/// Checks one remote or all, and returns 1 if one failed.
pub(super) fn run(store: &Store, name: Option<&str>, json: bool) -> Result<u8, Failure> {
    let names = match name {
        Some(name) => {
            // A name that nobody knows is a mistake, not a finding.
            if let Err(error @ (RemoteError::Name(_) | RemoteError::Unknown { .. })) =
                store.remotes().read(name)
            {
                return Err(error.into());
            }
            vec![name.to_owned()]
        }
        None => store.remotes().names()?,
    };
    let (mut failed, mut entries) = (false, Vec::new());
    for name in names {
        let result = check(store, &name);
        failed |= result.is_err();
        let (ok, text, hint) = match &result {
            Ok(findings) => (true, findings.clone(), None),
            Err(error) => (false, describe(error), error.hint()),
        };
        if json {
            entries.push(json!({ "name": name, "ok": ok, "text": text, "hint": hint }));
            continue;
        }
        line(format!("{name}: {text}"))?;
        if let Some(hint) = hint {
            line(format!("  {hint}"))?;
        }
    }
    if json {
        print_json(&entries)?;
    }
    Ok(u8::from(failed))
}

fn check(store: &Store, name: &str) -> Result<String, RemoteError> {
    let before = store.remotes().read(name)?;
    let mut settings = before.clone();
    let findings = probe(&mut settings, &credentials())?;
    if settings != before {
        store.remotes().set(name, &settings)?;
    }
    Ok(findings)
}
