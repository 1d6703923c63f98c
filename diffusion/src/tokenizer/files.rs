//! The files of a tokenizer folder, each read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::TokenizerError;
use crate::input_file::{InputFileError, LONGEST_LIST, is_there, parse_object, read_file, text_of};

/// The files of a tokenizer folder that transformers reads.
const NAMES: [&str; 6] = [
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// The bytes of every file that is there.
#[derive(Debug)]
pub(super) struct TokenizerFiles {
    folder: PathBuf,
    pub(super) contents: Vec<(&'static str, Vec<u8>)>,
}

impl TokenizerFiles {
    /// Reads a folder.
    ///
    /// # Errors
    /// When there is none, or a file is there and cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        if !is_there(folder) {
            return Err(InputFileError::Missing {
                path: folder.to_owned(),
            }
            .into());
        }
        let there = NAMES.into_iter().filter(|name| is_there(&folder.join(name)));
        let contents = there.map(|name| Ok((name, read_file(&folder.join(name), LONGEST_LIST)?)));
        Ok(Self {
            folder: folder.to_owned(),
            contents: contents.collect::<Result<_, InputFileError>>()?,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A JSON object, nothing where there is no such file.
    pub(super) fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, TokenizerError> {
        let parse = |bytes: &[u8]| parse_object(&self.path(name), bytes).map_err(TokenizerError::File);
        self.bytes(name).map(parse).transpose()
    }

    /// Tokens and their ids, nothing where there is no such file.
    pub(super) fn ids(&self, name: &str) -> Result<Option<BTreeMap<String, u32>>, TokenizerError> {
        let Some(fields) = self.object(name)? else {
            return Ok(None);
        };
        let id = |(token, value): (String, Value)| match value.as_u64().and_then(|id| u32::try_from(id).ok())
        {
            Some(id) => Ok((token, id)),
            None => Err(TokenizerError::Id {
                path: self.path(name),
                token,
                found: value.to_string(),
            }),
        };
        fields.into_iter().map(id).collect::<Result<_, _>>().map(Some)
    }

    /// The pairs of `merges.txt`, nothing where there is no such file.
    pub(super) fn merges(&self) -> Result<Option<Vec<(String, String)>>, TokenizerError> {
        let path = self.path("merges.txt");
        let Some(bytes) = self.bytes("merges.txt") else {
            return Ok(None);
        };
        let text = text_of(&path, bytes, "a list of pairs of symbols")?;
        let pair = |line: &str| {
            let (left, right) = line.split_once(' ')?;
            (!right.is_empty() && !right.contains(' ')).then(|| (left.to_owned(), right.to_owned()))
        };
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.starts_with("#version") && !line.is_empty());
        lines
            .map(|(index, line)| {
                pair(line).ok_or_else(|| TokenizerError::Merge {
                    path: path.clone(),
                    line: index + 1,
                    text: line.to_owned(),
                })
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        let found = self.contents.iter().find(|(known, _)| *known == name);
        found.map(|(_, bytes)| bytes.as_slice())
    }
}
