//! Finding one artifact by the first digits of its digest.

use mitune_store::{ListedArtifact, StageKey, Store};

use crate::failure::Failure;

/// Fewer digits would match by chance.
const DIGITS: usize = 4;

/// Checks that a text can be the beginning of a digest.
pub(in crate::commands) fn digits(text: &str) -> Result<String, Failure> {
    let text = text.strip_prefix("b3:").unwrap_or(text).to_ascii_lowercase();
    if (DIGITS..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(Failure::usage(format!(
        "`{text}` is not a digest: give at least {DIGITS} of its hexadecimal digits"
    )))
}

/// Returns the one artifact whose file or content digest begins with the given digits.
///
/// Several records of the same file count as one.
pub(super) fn artifact(store: &Store, text: &str) -> Result<ListedArtifact, Failure> {
    let digits = digits(text)?;
    let mut found = store.catalog().find_artifacts(&digits)?.into_iter();
    let first = found.next().ok_or_else(|| {
        Failure::usage(format!("No artifact has a digest that begins with `{digits}`"))
            .with_hint("`mitune store ls` lists them")
    })?;
    if let Some(other) = found.find(|other| other.artifact.content != first.artifact.content) {
        let (first, other) = (first.artifact.file.short(), other.artifact.file.short());
        return Err(ambiguous(&digits, "", [first, other]));
    }
    Ok(first)
}

/// Returns the key of the one stage that is meant: by the digits of its key, or of the file or content of an artifact.
///
/// Of several stages that made the same artifact, the newest counts.
pub(in crate::commands) fn stage_key(store: &Store, text: &str) -> Result<StageKey, Failure> {
    let digits = digits(text)?;
    let keys: Vec<StageKey> = store.catalog().find_keys(&digits)?;
    match keys.as_slice() {
        [] => Ok(artifact(store, text)?.key),
        [key] => Ok(*key),
        [first, second, ..] => Err(ambiguous(&digits, "stage key ", [first.short(), second.short()])),
    }
}

/// Says of digits that they are too few to tell two things apart.
pub(super) fn ambiguous(digits: &str, what: &str, [one, other]: [String; 2]) -> Failure {
    Failure::usage(format!("`{digits}` may mean {what}`{one}` or `{other}`")).with_hint("Give more digits")
}
