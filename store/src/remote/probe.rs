//! Finding out what a remote does.

use ulid::Ulid;

use super::open::connect;
use super::{Created, Credentials, Place, RemoteError, RemoteSettings};
use crate::names::Object;

/// Reaches a remote, creates the store there if it may, tests it with a file of its own, and notes what was found.
///
/// Returns one line for people.
///
/// # Errors
/// [`RemoteError`] if it cannot be reached, holds another store than the settings say, or cannot be written.
pub fn probe(settings: &mut RemoteSettings, credentials: &Credentials) -> Result<String, RemoteError> {
    // Checksums first; a server that does not know them is asked again without.
    let is_bucket = matches!(Place::parse(&settings.url)?, Place::Bucket { .. });
    settings.checksums = is_bucket && !settings.read_only;
    // Asked anew, whatever was found the last time.
    settings.creates_once = None;
    match probe_once(settings, credentials) {
        Err(RemoteError::Failed { .. }) if settings.checksums => {
            settings.checksums = false;
            probe_once(settings, credentials)
        }
        findings => findings,
    }
}

fn probe_once(settings: &mut RemoteSettings, credentials: &Credentials) -> Result<String, RemoteError> {
    let first = settings.store_id.is_empty();
    let (remote, format) = connect(settings, credentials, first && !settings.read_only)?;
    let other = |found: String| RemoteError::OtherStore {
        place: remote.place(),
        found,
        expected: settings.store_id.clone(),
    };
    let format = format.ok_or_else(|| other("no store".to_owned()))?;
    let file = format!("{} FORMAT", remote.place());
    format.check_readable(&file)?;
    if !first && format.store_id != settings.store_id {
        return Err(other(format!("the store `{}`", format.store_id)));
    }
    settings.store_id = format.store_id.clone();
    if settings.read_only {
        return Ok(format!("{} can be read", remote.place()));
    }
    format.check_writable(&file)?;
    let canary = Object::Canary(Ulid::generate());
    let (one, other) = (b"one".as_slice(), b"other".as_slice());
    remote.create(&canary, one)?;
    let again = remote.create(&canary, other);
    let kept = remote.read(&canary, canary.limit())?;
    remote.remove_canary(&canary)?;
    // A remote without conditional writes looks before it writes, which tells nothing of two writers at once.
    let once = matches!(again, Ok(Created::Existed)) && kept.as_deref() == Some(one) && !remote.replaces();
    settings.creates_once = Some(once);
    let remark = match once {
        true => "files are created once",
        // Then of two results published in the same instant the later one stays; both are valid.
        false => "it lets a later file replace an earlier one, so the last of several writers wins",
    };
    Ok(format!("{} can be read and written; {remark}", remote.place()))
}
