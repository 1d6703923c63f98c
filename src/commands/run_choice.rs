//! Naming a run on the command line.

use mitune_store::{RunId, RunRecord, Store};

use crate::failure::Failure;

/// Fewer characters would match by chance.
const CHARACTERS: usize = 4;

/// Finds the run that a text means: `latest`, `latest~N` (the one N runs before it), a whole identifier, or the first or
/// last characters of one.
///
/// # Errors
/// A failure of usage if no run or several match.
pub(crate) fn choose(store: &Store, text: &str) -> Result<RunRecord, Failure> {
    if let Some(back) = steps_back(text) {
        return store.runs().newest()?.nth(back).ok_or_else(|| match back {
            0 => Failure::usage("The store has no runs yet"),
            _ => unknown(text),
        });
    }
    if let Ok(id) = text.parse::<RunId>() {
        return store.runs().read(&id).ok_or_else(|| unknown(text));
    }
    let wanted = text.to_ascii_uppercase();
    if wanted.len() < CHARACTERS {
        return Err(unknown(text));
    }
    let matches = |run: &RunRecord| {
        let id = run.id.to_string();
        id.starts_with(&wanted) || id.ends_with(&wanted)
    };
    let mut found = store.runs().newest()?.filter(matches);
    match (found.next(), found.next()) {
        (Some(run), None) => Ok(run),
        (Some(one), Some(other)) => Err(Failure::usage(format!(
            "`{text}` may mean run `{}` or `{}`",
            one.id, other.id
        ))
        .with_hint("Give more characters")),
        (None, _) => Err(unknown(text)),
    }
}

/// Reads `latest` and `latest~N`.
fn steps_back(text: &str) -> Option<usize> {
    match text.strip_prefix("latest")? {
        "" => Some(0),
        back => back.strip_prefix('~')?.parse().ok(),
    }
}

fn unknown(text: &str) -> Failure {
    Failure::usage(format!("There is no run `{text}`")).with_hint("`mitune status --all` lists them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_back_are_counted_from_the_newest() {
        for (text, back) in [
            ("latest", Some(0)),
            ("latest~3", Some(3)),
            ("latest~", None),
            ("latest~-1", None),
            ("latest3", None),
            ("01J", None),
        ] {
            assert_eq!(steps_back(text), back, "{text}");
        }
    }

    #[test]
    fn a_run_is_found_by_either_end_of_its_identifier() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let one = mitune_store::RunLog::create(&store, "one").unwrap().id();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let two = mitune_store::RunLog::create(&store, "two").unwrap().id();
        let named = |text: &str| choose(&store, text).map(|run| run.id);
        let id = two.to_string();
        assert_eq!(named("latest").unwrap(), two);
        assert_eq!(named("latest~1").unwrap(), one);
        assert_eq!(named(&id).unwrap(), two);
        assert_eq!(named(&id.to_lowercase()).unwrap(), two);
        assert_eq!(named(&id[id.len() - 8..]).unwrap(), two);
        for text in ["", "0", "latest~2", "ZZZZZZ", &id[..6], "../x"] {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
