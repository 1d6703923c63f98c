//! Whether the components of a model go together.

use super::ModelError;
use super::directory::ModelDirectory;
use super::text::TextComponent;

/// A number of a component, and what it is called.
struct Number(&'static str, usize);

impl ModelDirectory {
    /// Checks every number that two components must agree on.
    pub(super) fn check_fit(&self) -> Result<(), ModelError> {
        let latent = Number("`latent_channels` of `vae`", self.vae_config.latent_channels);
        let input = Number("`in_channels` of `unet`", self.unet_config.in_channels);
        let output = Number("`out_channels` of `unet`", self.unet_config.out_channels);
        self.equal(&latent, &input)?;
        self.equal(&latent, &output)?;
        self.check_context()?;
        self.check_text(&self.text, "`text_encoder`", "`tokenizer`")?;
        self.check_second()
    }

    /// What is odd about the model and may be a mistake, for the user to know; it can be loaded nevertheless.
    ///
    /// A text encoder may have more rows of embeddings than its tokenizer knows tokens, as transformers allows: trainers
    /// pad the rows to a multiple of 8, 64 or 128 for speed. Others were trained for tokens whose files are missing.
    pub fn notices(&self) -> Vec<String> {
        let second = self.second.as_ref();
        let texts = std::iter::once(&self.text).chain(second);
        texts.filter_map(unused_rows).collect()
    }

    /// The denoiser reads as many features per token as text encoders write.
    fn check_context(&self) -> Result<(), ModelError> {
        let first = self.text.config.hidden_size;
        let written = match &self.second {
            None => Number("`hidden_size` of `text_encoder`", first),
            Some(second) => Number(
                "the sum of `hidden_size` of `text_encoder` and `text_encoder_2`",
                first + second.config.hidden_size,
            ),
        };
        let read = &self.unet_config.cross_attention_dim;
        read.iter()
            .try_for_each(|read| self.equal(&written, &Number("`cross_attention_dim` of `unet`", *read)))
    }

    /// The second text encoder and the added embedding come together and fit each other.
    fn check_second(&self) -> Result<(), ModelError> {
        let Some(second) = &self.second else {
            return match self.unet_config.addition {
                None => Ok(()),
                Some(_) => Err(self.incomplete("the denoiser reads two text encoders, the index lists one")),
            };
        };
        let Some(addition) = self.unet_config.addition else {
            return Err(self.incomplete("the index lists two text encoders, the denoiser reads one"));
        };
        if !second.config.has_projection() {
            return Err(self.incomplete("`text_encoder_2` has no projection"));
        }
        let width = Number(
            "`projection_dim` of `text_encoder_2`",
            second.config.projection_dim,
        );
        let read = "`projection_class_embeddings_input_dim` less six `addition_time_embed_dim` of `unet`";
        self.equal(&width, &Number(read, addition.text_features()))?;
        let tokens = |text: &TextComponent| text.tokenizer.context_length().unwrap_or(0);
        self.equal(
            &Number("`model_max_length` of `tokenizer`", tokens(&self.text)),
            &Number("`model_max_length` of `tokenizer_2`", tokens(second)),
        )?;
        self.check_text(second, "`text_encoder_2`", "`tokenizer_2`")
    }

    /// A tokenizer writes no more and no other tokens than its text encoder reads.
    fn check_text(
        &self,
        text: &TextComponent,
        encoder: &'static str,
        tokenizer: &'static str,
    ) -> Result<(), ModelError> {
        let at_most = |what, limit: usize, found: usize| match found > limit {
            true => Err(ModelError::TooMany {
                path: self.path().to_owned(),
                what,
                tokenizer,
                found,
                encoder,
                limit,
            }),
            false => Ok(()),
        };
        let tokens = text.tokenizer.context_length().unwrap_or(0);
        at_most("tokens", text.config.max_position_embeddings, tokens)?;
        at_most("words", text.config.vocab_size, text.tokenizer.vocabulary_size())
    }

    fn equal(&self, left: &Number, right: &Number) -> Result<(), ModelError> {
        match left.1 == right.1 {
            true => Ok(()),
            false => Err(ModelError::Disagreement {
                path: self.path().to_owned(),
                left: left.0,
                left_value: left.1,
                right: right.0,
                right_value: right.1,
            }),
        }
    }

    fn incomplete(&self, reason: &'static str) -> ModelError {
        ModelError::Incomplete {
            path: self.path().to_owned(),
            reason,
        }
    }
}

fn unused_rows(text: &TextComponent) -> Option<String> {
    let (rows, ids) = (text.config.vocab_size, text.tokenizer.vocabulary_size());
    let padded = [8, 64, 128]
        .iter()
        .any(|multiple| rows == ids.next_multiple_of(*multiple));
    let unused = rows.checked_sub(ids).filter(|unused| *unused > 0 && !padded)?;
    let (encoder, tokenizer) = (text.folders.encoder, text.folders.tokenizer);
    let were = if unused == 1 { "row is" } else { "rows are" };
    Some(format!(
        "`{encoder}` has {rows} rows of embeddings, but `{tokenizer}` knows {ids} tokens: {unused} {were} never used. If \
         tokens were trained, files of the tokenizer are missing, such as `added_tokens.json`"
    ))
}
