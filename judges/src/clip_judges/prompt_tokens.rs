//! Prompts to token ids, by the rules of each judge's reference.

use std::path::{Path, PathBuf};

use mitune_diffusion::tokenizer::Tokenizer;
use serde::Serialize;

use super::{JudgeError, cleaned};

/// How a prompt becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptRules {
    /// As transformers' `CLIPTokenizer`: nothing is cleaned, and special tokens written out are special tokens.
    Transformers,
    /// As openai/CLIP: [`cleaned`] first. Special tokens written out are words like any others.
    Cleaned,
    /// As open_clip: the same, but its own names of the special tokens, written out, are special tokens.
    OpenClip,
}

/// What is done with a prompt of more tokens than the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLong {
    /// It is cut off, and the end token comes last.
    CutOff,
    /// It is an error, as in openai/CLIP.
    Refuse,
}

/// A tokenizer of a folder, and the rules by which it is used.
#[derive(Debug, Clone)]
pub struct PromptTokens {
    tokenizer: Tokenizer,
    limit: usize,
    rules: PromptRules,
    over_long: OverLong,
    folder: PathBuf,
}

/// CLIP's special tokens, and how they are split where they are none.
const SPLIT: [(&str, &str); 2] = [
    ("<|startoftext|>", "<| startoftext |>"),
    ("<|endoftext|>", "<| endoftext |>"),
];

/// open_clip's names of the special tokens, and CLIP's.
const OPEN_CLIP: [(&str, &str); 2] = [
    ("<start_of_text>", "<|startoftext|>"),
    ("<end_of_text>", "<|endoftext|>"),
];

/// A mark whose capital is a letter: the references' pattern, which ignores case, takes it for neither a letter nor none,
/// so that it parts words as white space does.
const UNMATCHED: char = '\u{345}';

impl PromptTokens {
    /// Reads `tokenizer.json`, or `vocab.json` with `merges.txt`; prompts have at most `longest` tokens, start and end
    /// included, or fewer if the folder says so.
    ///
    /// # Errors
    /// When a file is missing or malformed.
    pub fn open(
        folder: &Path,
        longest: usize,
        rules: PromptRules,
        over_long: OverLong,
    ) -> Result<Self, JudgeError> {
        let tokenizer = Tokenizer::from_directory(folder)?;
        let limit = tokenizer.context_length().unwrap_or(longest).min(longest);
        Ok(Self {
            tokenizer: tokenizer.with_context_length(limit)?,
            limit,
            rules,
            over_long,
            folder: folder.to_owned(),
        })
    }

    /// Encodes a prompt to always the same number of tokens: start, the prompt's, end, and what fills it up.
    ///
    /// # Errors
    /// When the prompt is too long and must not be cut off, or cannot be encoded.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, JudgeError> {
        let text = match self.rules {
            PromptRules::Transformers => prompt.to_owned(),
            PromptRules::Cleaned => without_special_tokens(&cleaned(prompt)),
            PromptRules::OpenClip => with_open_clip_tokens(&without_special_tokens(&cleaned(prompt))),
        };
        let encoded = self.tokenizer.encode(&text)?;
        if encoded.truncated && self.over_long == OverLong::Refuse {
            return Err(JudgeError::PromptTooLong {
                prompt: prompt.to_owned(),
                found: self.tokenizer.tokens(&text)?.len() + 2,
                limit: self.limit,
            });
        }
        Ok(encoded.ids)
    }

    /// Checks that a model knows every token.
    pub(super) fn check_vocabulary(&self, known: usize) -> Result<(), JudgeError> {
        let found = self.tokenizer.vocabulary_size();
        if found <= known {
            return Ok(());
        }
        Err(JudgeError::Configuration {
            path: self.folder.clone(),
            reason: format!("the tokenizer has {found} tokens, but the text model knows {known}"),
        })
    }
}

/// White space is no part of any token, so that it parts what would be a special token into the words that it is.
fn without_special_tokens(text: &str) -> String {
    SPLIT
        .iter()
        .fold(text.replace(UNMATCHED, " "), |text, (token, parts)| {
            text.replace(token, parts)
        })
}

/// open_clip looks for its special tokens where a word may begin: not after punctuation, which takes the `<` along.
fn with_open_clip_tokens(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let (mut rest, mut may_begin) = (text, true);
    while let Some(first) = rest.chars().next() {
        let mut names = OPEN_CLIP.iter().filter(|_| may_begin);
        if let Some((name, token)) = names.find(|(name, _)| rest.starts_with(name)) {
            replaced.push_str(token);
            rest = &rest[name.len()..];
            continue;
        }
        replaced.push(first);
        rest = &rest[first.len_utf8()..];
        may_begin = first.is_alphanumeric() || first.is_whitespace();
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use mitune_diffusion::tokenizer::VocabularyBuilder;

    fn tokens(longest: usize, rules: PromptRules, over_long: OverLong) -> PromptTokens {
        let folder = tempfile::tempdir().unwrap();
        let words = ["a", "cat", "endoftext"];
        VocabularyBuilder::new(words)
            .unwrap()
            .write(folder.path(), 12)
            .unwrap();
        PromptTokens::open(folder.path(), longest, rules, over_long).unwrap()
    }

    #[test]
    fn only_cleaned_prompts_lose_entities_and_special_tokens() {
        let plain = tokens(12, PromptRules::Transformers, OverLong::CutOff);
        let clean = tokens(12, PromptRules::Cleaned, OverLong::CutOff);
        let same = |prompt: &str, other: &str| clean.encode(prompt).unwrap() == clean.encode(other).unwrap();
        assert!(same("a &amp;amp; a", "a & a"));
        assert!(same("  A\tCAT ", "a cat"));
        assert!(same("a <|endoftext|> cat", "a <| endoftext |> cat"));
        assert_ne!(plain.encode("a &amp; a").unwrap(), plain.encode("a & a").unwrap());
        let special = plain.encode("a <|endoftext|> cat").unwrap();
        assert_eq!(special[2], special[4]);
        assert_eq!(plain.encode("").unwrap(), clean.encode(" ").unwrap());
    }

    /// What `regex` splits these into, by open_clip's pattern.
    #[test]
    fn open_clips_own_special_tokens_are_special_to_it_alone() {
        let clean = tokens(12, PromptRules::Cleaned, OverLong::CutOff);
        let open_clip = tokens(12, PromptRules::OpenClip, OverLong::CutOff);
        let plain = tokens(12, PromptRules::Transformers, OverLong::CutOff);
        let encode = |tokens: &PromptTokens, prompt: &str| tokens.encode(prompt).unwrap();
        for (prompt, same) in [
            ("a <end_of_text> cat", "a <|endoftext|> cat"),
            (
                "a<START_OF_TEXT><end_of_text>cat",
                "a <|startoftext|> <|endoftext|> cat",
            ),
            ("a <|endoftext|> cat", "a <| endoftext |> cat"),
        ] {
            assert_eq!(encode(&open_clip, prompt), encode(&plain, same), "{prompt}");
        }
        assert_eq!(with_open_clip_tokens("!<end_of_text>"), "!<end_of_text>");
        assert_ne!(
            encode(&clean, "a <end_of_text> cat"),
            encode(&plain, "a <|endoftext|> cat")
        );
        for tokens in [&clean, &open_clip] {
            assert_eq!(encode(tokens, "a\u{345}cat"), encode(tokens, "a cat"));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_off_or_refused() {
        let long = "cat ".repeat(20);
        let cut = tokens(8, PromptRules::Cleaned, OverLong::CutOff)
            .encode(&long)
            .unwrap();
        assert_eq!(cut.len(), 8);
        assert!(cut[1..7].iter().all(|id| *id == cut[1]) && cut[7] != cut[1]);
        let refused = tokens(77, PromptRules::Cleaned, OverLong::Refuse)
            .encode(&long)
            .unwrap_err();
        assert!(matches!(
            refused,
            JudgeError::PromptTooLong {
                found: 22,
                limit: 12,
                ..
            }
        ));
    }
}
