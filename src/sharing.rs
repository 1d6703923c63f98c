//! What the program shares results with: the user's key and the remotes of the store.

use std::path::PathBuf;
use std::sync::Arc;

use mitune_store::remote::{RemoteError, RemoteSettings, Upstream, open};
use mitune_store::trust::{PublicKey, SecretKey};
use mitune_store::{Sharing, Store};

use crate::aws_environment::credentials;
use crate::failure::Failure;
use crate::user_folders::{cache_folder, config_folder};

/// Returns the file that holds the user's secret key.
pub(crate) fn key_path() -> Result<PathBuf, Failure> {
    let folder = config_folder().ok_or_else(|| {
        Failure::usage("There is no folder for the user's settings")
            .with_hint("Set HOME or XDG_CONFIG_HOME to an absolute path")
    })?;
    Ok(folder.join("signing-key"))
}

/// Reads the user's secret key, if there is one.
pub(crate) fn secret_key() -> Result<Option<SecretKey>, Failure> {
    match config_folder() {
        Some(folder) => Ok(SecretKey::load(&folder.join("signing-key"))?),
        None => Ok(None),
    }
}

/// Reaches a remote with the user's credentials.
pub(crate) fn upstream(
    name: &str,
    settings: &RemoteSettings,
    own: Option<PublicKey>,
) -> Result<Upstream, RemoteError> {
    let remote = open(settings, &credentials())?;
    let push = settings.write_back && !settings.read_only;
    let upstream = Upstream::new(name, Arc::clone(&remote), settings.policy());
    Ok(upstream
        .with_directions(settings.read_through, push)
        .with_own_key(own)
        .with_marks(&cache_folder(), &settings.store_id))
}

/// Lets a store sign what is published and read and write through its remotes.
///
/// A remote that does not answer is left out with a warning.
pub(crate) fn attach(store: &Store) -> Result<(), Failure> {
    let key = secret_key()?;
    let own = key.as_ref().map(SecretKey::public);
    let upstreams = reach(settings(store)?, own);
    if key.is_some() || !upstreams.is_empty() {
        store.attach(Sharing::new(key, upstreams, Box::new(warn)));
    }
    Ok(())
}

/// Lets a store fetch what it lacks of the results it has records of, as after a pull of records alone. Remotes are
/// reached when the first bytes are lacking.
pub(crate) fn attach_for_reading(store: &Store) -> Result<(), Failure> {
    let settings = settings(store)?;
    if !settings.is_empty() {
        let reach = move || {
            let upstreams = reach(settings, None).into_iter();
            upstreams.map(Upstream::blobs_only).collect()
        };
        store.attach(Sharing::reading(Box::new(reach), Box::new(warn)));
    }
    Ok(())
}

/// The remotes of a store by name, with their settings or why these cannot be read.
type Known = Vec<(String, Result<RemoteSettings, RemoteError>)>;

fn settings(store: &Store) -> Result<Known, Failure> {
    let names = store.remotes().names()?.into_iter();
    Ok(names
        .map(|name| {
            let settings = store.remotes().read(&name);
            (name, settings)
        })
        .collect())
}

/// Reaches the remotes that runs use; one that does not answer is left out with a warning.
fn reach(known: Known, own: Option<PublicKey>) -> Vec<Upstream> {
    let mut upstreams = Vec::new();
    for (name, settings) in known {
        let settings = match settings {
            Ok(settings) => settings,
            Err(error) => {
                let hint = error.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
                let reason = mitune_store::remote::describe(&error);
                warn(&format!("The remote `{name}` is not used: {reason}{hint}"));
                continue;
            }
        };
        if !settings.read_through && (settings.read_only || !settings.write_back) {
            continue;
        }
        match upstream(&name, &settings, own) {
            Ok(upstream) => upstreams.push(upstream),
            Err(error) => warn(&format!(
                "The remote `{name}` is not used: {}",
                mitune_store::remote::describe(&error)
            )),
        }
    }
    upstreams
}

fn warn(text: &str) {
    crate::ui::remark(format!("Warning: {text}"));
}
