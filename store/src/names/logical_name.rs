//! Names that may become paths.

use std::collections::{BTreeMap, BTreeSet};

/// The longest name, in bytes.
const NAME_LIMIT: usize = 1024;

/// The longest part between two slashes, in bytes.
const PART_LIMIT: usize = 255;

/// A name that may not become a path below a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name or a part of it is empty.
    #[error("Name {0:?} has an empty part")]
    Empty(String),
    /// The name leads elsewhere.
    #[error("Name {0:?} is absolute or leads out of its directory")]
    Escapes(String),
    /// The name has a character that some file system or terminal takes for something else.
    #[error("Name {name:?} holds the character {character:?}")]
    Character {
        /// The name.
        name: String,
        /// The offending character.
        character: char,
    },
    /// The name or a part of it is too long.
    #[error("Name of {length} bytes begins with {start:?}: at most {limit} bytes are allowed")]
    Length {
        /// Its first characters.
        start: String,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Two names are the same, or the same but for upper and lower case.
    #[error("Names {first:?} and {second:?} are the same on some file systems")]
    Clash {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// A name is both a file and a directory above another file.
    #[error("Name {0:?} is both a file and a directory")]
    FileAndDirectory(String),
}

/// Checks one name: relative, plain parts, no tricks.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    let too_long = |text: &str, limit| NameError::Length {
        start: text.chars().take(20).collect(),
        length: text.len(),
        limit,
    };
    if name.len() > NAME_LIMIT {
        return Err(too_long(name, NAME_LIMIT));
    }
    if name.starts_with('/') {
        return Err(NameError::Escapes(name.to_owned()));
    }
    if let Some(character) = name.chars().find(|c| c.is_control() || *c == '\\' || *c == ':') {
        return Err(NameError::Character {
            name: name.to_owned(),
            character,
        });
    }
    for part in name.split('/') {
        match part {
            "" => return Err(NameError::Empty(name.to_owned())),
            "." | ".." => return Err(NameError::Escapes(name.to_owned())),
            _ if part.len() > PART_LIMIT => return Err(too_long(part, PART_LIMIT)),
            _ => {}
        }
    }
    Ok(())
}

/// Checks the names of a directory, each and against each other.
pub(crate) fn check_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<(), NameError> {
    let mut files: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        check_name(name)?;
        if let Some(first) = files.insert(name.to_lowercase(), name) {
            return Err(NameError::Clash {
                first: first.to_owned(),
                second: name.to_owned(),
            });
        }
    }
    let mut spelled: BTreeMap<String, &str> = BTreeMap::new();
    let mut directories = BTreeSet::new();
    for name in files.values() {
        for (end, _) in name.match_indices('/') {
            let directory = &name[..end];
            let folded = directory.to_lowercase();
            if let Some(other) = spelled
                .insert(folded.clone(), directory)
                .filter(|other| *other != directory)
            {
                return Err(NameError::Clash {
                    first: other.to_owned(),
                    second: directory.to_owned(),
                });
            }
            directories.insert(folded);
        }
    }
    match files.iter().find(|(folded, _)| directories.contains(*folded)) {
        Some((_, name)) => Err(NameError::FileAndDirectory((*name).to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_names_pass() {
        let names = [
            "a",
            "unet/config.json",
            "unet/weights.safetensors",
            "..a",
            "a..b",
            ".hidden/x y",
        ];
        check_names(names).unwrap();
    }

    #[test]
    fn hostile_names_do_not() {
        let long_part = "x".repeat(256);
        let long_name = ["abc/"; 300].concat() + "d";
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "a\u{1b}[2J",
            "a\\b",
            "C:x",
            &long_part,
            &long_name,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        check_name(&"x".repeat(255)).unwrap();
    }

    #[test]
    fn names_that_clash_do_not() {
        assert!(matches!(check_names(["a", "a"]), Err(NameError::Clash { .. })));
        assert!(matches!(
            check_names(["Readme", "README"]),
            Err(NameError::Clash { .. })
        ));
        assert!(matches!(
            check_names(["d/a", "D/b"]),
            Err(NameError::Clash { .. })
        ));
        assert!(matches!(
            check_names(["a", "a/b"]),
            Err(NameError::FileAndDirectory(_))
        ));
        assert!(matches!(
            check_names(["a/b/c", "A"]),
            Err(NameError::FileAndDirectory(_))
        ));
    }
}
