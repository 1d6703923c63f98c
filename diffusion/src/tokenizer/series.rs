//! Tokens that stand for several rows of the text encoder.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

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
        let mut text = Cow::Borrowed(prompt);
        for (token, all) in &self.0 {
            let found = || {
                let encoded = pipeline.encode_fast(prompt, false).ok()?;
                Some(encoded.get_ids().contains(&pipeline.token_to_id(token)?))
            };
            if text.contains(token.as_str()) && found() == Some(true) {
                text = Cow::Owned(text.replace(token.as_str(), all));
            }
        }
        text
    }
}
