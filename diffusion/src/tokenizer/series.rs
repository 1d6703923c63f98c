//! Tokens that stand for several rows of the text encoder.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Added tokens that were trained with more than one vector, as textual inversion does: beside `<cat>` there are
/// `<cat>_1`, `<cat>_2` and so on, and whoever writes `<cat>` means all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(BTreeMap<String, String>);

impl Series {
    pub(super) fn of(pipeline: &tokenizers::Tokenizer) -> Self {
        let added = pipeline.get_added_tokens_decoder();
        let contents: BTreeSet<&str> = added.values().map(|token| token.content.as_str()).collect();
        let series = contents.iter().filter_map(|token| {
            let further = (1..).map(|number| format!("{token}_{number}"));
            let further: Vec<String> = further
                .take_while(|name| contents.contains(name.as_str()))
                .collect();
            let all = format!("{token} {}", further.join(" "));
            (!further.is_empty()).then(|| ((*token).to_owned(), all))
        });
        Self(series.collect())
    }

    /// The prompt with every such token followed by the others of its series, as diffusers' pipelines do.
    pub(super) fn written_out<'a>(&self, prompt: &'a str, pipeline: &tokenizers::Tokenizer) -> Cow<'a, str> {
        self.written_out_with_origins(prompt, pipeline).0
    }

    /// The same, with the bytes of the prompt that each byte of the text comes from where it is not the prompt itself.
    pub(super) fn written_out_with_origins<'a>(
        &self,
        prompt: &'a str,
        pipeline: &tokenizers::Tokenizer,
    ) -> (Cow<'a, str>, Option<Vec<Range<usize>>>) {
        let mut text = Cow::Borrowed(prompt);
        let mut origins: Option<Vec<Range<usize>>> = None;
        for (token, all) in &self.0 {
            if text.contains(token.as_str()) && is_read(token, prompt, pipeline) {
                let own = || (0..prompt.len()).map(|byte| byte..byte + 1).collect();
                let before: Vec<Range<usize>> = origins.unwrap_or_else(own);
                origins = Some(replaced_origins(&text, &before, token, all));
                text = Cow::Owned(text.replace(token.as_str(), all));
            }
        }
        (text, origins)
    }
}

/// Whether a prompt has the token, rather than only its letters.
fn is_read(token: &str, prompt: &str, pipeline: &tokenizers::Tokenizer) -> bool {
    let found = || {
        let encoded = pipeline.encode_fast(prompt, false).ok()?;
        Some(encoded.get_ids().contains(&pipeline.token_to_id(token)?))
    };
    found() == Some(true)
}

/// What the bytes of a text come from once `all` has taken the place of every `token`: whatever stands for a token
/// comes from all of it.
fn replaced_origins(text: &str, before: &[Range<usize>], token: &str, all: &str) -> Vec<Range<usize>> {
    let mut after = Vec::new();
    let mut done = 0;
    for (start, _) in text.match_indices(token) {
        let end = start + token.len();
        let whole = before[start].start..before[end - 1].end;
        after.extend_from_slice(&before[done..start]);
        after.extend(std::iter::repeat_n(whole, all.len()));
        done = end;
    }
    after.extend_from_slice(&before[done..]);
    after
}
