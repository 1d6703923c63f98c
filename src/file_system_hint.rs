//! What to do when the system refuses a file or folder.

use std::error::Error;
use std::io;

/// Looks through an error and its causes for a refusal of the system whose remedy is known.
pub(crate) fn file_system_hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut refusals = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    refusals.find_map(|refusal| remedy(refusal.kind()))
}

fn remedy(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("Free some space, then run the same command again; a run goes on where it stopped")
        }
        io::ErrorKind::PermissionDenied => {
            Some("`ls -ld` tells whose it is; use another place, or have its owner give you access")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("That file system takes no writing; use another place"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::file_system_hint;

    #[derive(Debug, thiserror::Error)]
    #[error("Cannot write `x`")]
    struct Outer(#[source] Error);

    #[test]
    fn refusals_are_found_below_other_errors() {
        let hint = |kind: ErrorKind| file_system_hint(&Outer(kind.into()));
        assert!(
            hint(ErrorKind::StorageFull)
                .unwrap()
                .starts_with("Free some space")
        );
        assert!(hint(ErrorKind::PermissionDenied).unwrap().contains("ls -ld"));
        assert!(
            hint(ErrorKind::ReadOnlyFilesystem)
                .unwrap()
                .contains("no writing")
        );
        assert_eq!(hint(ErrorKind::NotFound), None);
    }
}
