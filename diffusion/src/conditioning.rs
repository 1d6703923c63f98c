//! What a denoiser is told besides latents and timestep.

use burn::tensor::{Device, FloatDType, Tensor};

use crate::nn::layers::KeyContexts;

/// Height and width of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageSize {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// The prompts of a batch as the denoiser reads them.
#[derive(Debug, Clone)]
pub struct Conditioning {
    /// One hidden state per token, `[batch, tokens, width]`.
    pub context: Tensor<3>,
    /// The hidden states that values of cross-attention are made of, of the shape of `context`, which then
    /// gives the keys alone; without them both come from `context`.
    pub value_context: Option<Tensor<3>>,
    /// Further hidden states that keys of cross-attention are made of, which then gathers the same values with each of
    /// them and takes the mean; each of the shape of `context`.
    pub key_contexts: Option<KeyContexts>,
    /// What a model with a pooled vector is told besides; others have none.
    pub added: Option<AddedConditioning>,
}

/// What is added to the time embedding: the prompt as a whole, and in Stable Diffusion XL the sizes of
/// the image (arXiv 2307.01952, section 2.2).
#[derive(Debug, Clone)]
pub struct AddedConditioning {
    /// The prompt as one vector, `[batch, pooled width]`.
    pub text_embeds: Tensor<2>,
    /// Original height and width, top and left of the crop, target height and width, `[batch, 6]`; none
    /// for models that are not told sizes.
    pub time_ids: Option<Tensor<2>>,
}

impl From<Tensor<3>> for Conditioning {
    fn from(context: Tensor<3>) -> Self {
        Self {
            context,
            value_context: None,
            key_contexts: None,
            added: None,
        }
    }
}

impl From<&Conditioning> for Conditioning {
    fn from(conditioning: &Conditioning) -> Self {
        conditioning.clone()
    }
}

impl Conditioning {
    /// Takes the values of cross-attention from several encodings of the same tokens, in equal parts
    /// (Structured Diffusion Guidance, arXiv 2212.05032).
    ///
    /// A value is a linear function of a token's hidden state, so the mean of the values is the value of the mean.
    ///
    /// # Panics
    /// An encoding has not the shape of the context.
    #[must_use]
    pub fn with_values_of(self, encodings: &[Tensor<3>]) -> Self {
        let shape = self.context.dims();
        assert!(
            encodings.iter().all(|encoding| encoding.dims() == shape),
            "values belong to the tokens of the keys"
        );
        let sum = encodings.iter().cloned().reduce(|sum, encoding| sum + encoding);
        Self {
            value_context: sum.map(|sum| sum / encodings.len() as f64),
            ..self
        }
    }

    /// Lets cross-attention look with further keys besides those of the context, and takes the mean of what it gathers
    /// (Structured Diffusion Guidance with a conjunction).
    ///
    /// # Panics
    /// An encoding has not the shape of the context.
    #[must_use]
    pub fn with_keys_of(self, encodings: Vec<Tensor<3>>) -> Self {
        let shape = self.context.dims();
        assert!(
            encodings.iter().all(|encoding| encoding.dims() == shape),
            "further keys belong to the tokens of the values"
        );
        Self {
            key_contexts: KeyContexts::in_equal_parts(encodings),
            ..self
        }
    }

    /// Number of rows.
    pub fn batch(&self) -> usize {
        self.context.dims()[0]
    }

    /// The device that holds it.
    pub fn device(&self) -> Device {
        self.context.device()
    }

    /// Whether rows of both can stand in one batch.
    pub fn fits(&self, other: &Self) -> bool {
        let widths = |conditioning: &Self| {
            let added = conditioning.added.as_ref().map(|added| {
                let sizes = added.time_ids.as_ref().map(|time_ids| time_ids.dims()[1]);
                (added.text_embeds.dims()[1], sizes)
            });
            let [_, tokens, width] = conditioning.context.dims();
            ([tokens, width], added)
        };
        widths(self) == widths(other)
    }

    /// Repeats all rows, one pass after the other.
    #[must_use]
    pub fn repeat(self, times: usize) -> Self {
        self.map(
            |context| context.repeat_dim(0, times),
            |added| added.repeat_dim(0, times),
        )
    }

    /// Takes `length` rows from `start` on.
    ///
    /// # Panics
    /// There are fewer rows.
    #[must_use]
    pub fn narrow(self, start: usize, length: usize) -> Self {
        self.map(
            |context| context.narrow(0, start, length),
            |added| added.narrow(0, start, length),
        )
    }

    /// Puts the rows of several under each other.
    ///
    /// # Panics
    /// There is none, or they do not [fit](Self::fits) each other.
    #[must_use]
    pub fn cat(parts: Vec<Self>) -> Self {
        assert!(
            parts.windows(2).all(|pair| pair[0].fits(&pair[1])),
            "rows of a batch must have one shape"
        );
        let added: Vec<AddedConditioning> = parts.iter().filter_map(|part| part.added.clone()).collect();
        let text_embeds: Vec<Tensor<2>> = added.iter().map(|added| added.text_embeds.clone()).collect();
        let time_ids: Vec<Tensor<2>> = added.iter().filter_map(|added| added.time_ids.clone()).collect();
        Self {
            value_context: cat_values(&parts),
            key_contexts: cat_keys(&parts),
            context: Tensor::cat(parts.into_iter().map(|part| part.context).collect(), 0),
            added: (!added.is_empty()).then(|| AddedConditioning {
                text_embeds: Tensor::cat(text_embeds, 0),
                time_ids: (!time_ids.is_empty()).then(|| Tensor::cat(time_ids, 0)),
            }),
        }
    }

    /// Converts to a float type; the sizes in [`AddedConditioning::time_ids`] stay in f32, because
    /// half precision does not hold every number of pixels.
    #[must_use]
    pub fn cast(self, dtype: impl Into<FloatDType>) -> Self {
        let dtype = dtype.into();
        Self {
            context: self.context.cast(dtype),
            value_context: self.value_context.map(|values| values.cast(dtype)),
            key_contexts: self
                .key_contexts
                .map(|keys| keys.map(|context| context.cast(dtype), |weights| weights)),
            added: self.added.map(|added| AddedConditioning {
                text_embeds: added.text_embeds.cast(dtype),
                time_ids: added.time_ids,
            }),
        }
    }

    /// Moves to the device that records gradients.
    #[must_use]
    pub fn autodiff(self) -> Self {
        self.map(Tensor::autodiff, Tensor::autodiff)
    }

    fn map(self, context: impl Fn(Tensor<3>) -> Tensor<3>, added: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            value_context: self.value_context.map(&context),
            key_contexts: self.key_contexts.map(|keys| keys.map(&context, &added)),
            context: context(self.context),
            added: self.added.map(|parts| AddedConditioning {
                text_embeds: added(parts.text_embeds),
                time_ids: parts.time_ids.map(&added),
            }),
        }
    }
}

/// Puts the values under each other if any part has its own; the others take them from where their keys come from.
fn cat_values(parts: &[Conditioning]) -> Option<Tensor<3>> {
    let own = parts.iter().any(|part| part.value_context.is_some());
    let values = |part: &Conditioning| part.value_context.as_ref().unwrap_or(&part.context).clone();
    own.then(|| Tensor::cat(parts.iter().map(values).collect(), 0))
}

/// Puts further keys under each other if any part has some; the others count their own alone.
fn cat_keys(parts: &[Conditioning]) -> Option<KeyContexts> {
    let keys = |part: &Conditioning| part.key_contexts.clone();
    let own: Vec<Option<KeyContexts>> = parts.iter().map(keys).collect();
    let parts: Vec<_> = parts
        .iter()
        .zip(&own)
        .map(|(part, own)| (&part.context, own.as_ref()))
        .collect();
    KeyContexts::cat(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32], added: bool) -> Conditioning {
        let device = Device::flex();
        let row = |value: f32, width: usize| Tensor::<2>::full([1, width], value, &device);
        let table = |width: usize| Tensor::cat(values.iter().map(|v| row(*v, width)).collect(), 0);
        Conditioning {
            context: table(6).reshape([values.len(), 2, 3]),
            value_context: None,
            key_contexts: None,
            added: added.then(|| AddedConditioning {
                text_embeds: table(4) * 10.0,
                time_ids: Some(table(6) * 100.0),
            }),
        }
    }

    /// The first number of each row, of context, text embedding and time ids.
    fn numbers(conditioning: &Conditioning) -> Vec<[f32; 3]> {
        let batch = conditioning.batch();
        let added = conditioning.added.clone().unwrap();
        let first = |t: Tensor<2>| t.narrow(1, 0, 1).try_into_vec_as::<f32>().unwrap();
        let context = first(conditioning.context.clone().reshape([batch, 6]));
        let (text, time) = (first(added.text_embeds), first(added.time_ids.unwrap()));
        (0..batch).map(|i| [context[i], text[i], time[i]]).collect()
    }

    #[test]
    fn rows_stay_together() {
        let row = |v: f32| [v, 10.0 * v, 100.0 * v];
        let two = rows(&[1.0, 2.0], true);
        assert_eq!(
            numbers(&two.clone().repeat(2)),
            [row(1.0), row(2.0), row(1.0), row(2.0)]
        );
        assert_eq!(numbers(&two.clone().narrow(1, 1)), [row(2.0)]);
        let joined = Conditioning::cat(vec![rows(&[3.0], true), two]);
        assert_eq!(numbers(&joined), [row(3.0), row(1.0), row(2.0)]);
        let half = joined.cast(FloatDType::F16).added.unwrap();
        assert_eq!(
            (half.text_embeds.dtype(), half.time_ids.unwrap().dtype()),
            (FloatDType::F16.into(), FloatDType::F32.into())
        );
    }

    #[test]
    fn values_go_with_their_rows_and_are_those_of_the_context_where_a_row_has_none() {
        let first = |values: Option<Tensor<3>>| -> Vec<f32> {
            let values = values.unwrap();
            values.narrow(1, 0, 1).narrow(2, 0, 1).try_into_vec_as().unwrap()
        };
        let encodings = [2.0, 6.0, 7.0].map(|value| rows(&[value], false).context);
        let own = rows(&[1.0], false).with_values_of(&encodings);
        assert_eq!(first(own.value_context.clone()), [5.0]);
        let plain = rows(&[3.0], false);
        assert!(plain.clone().with_values_of(&[]).value_context.is_none());
        assert!(plain.fits(&own));
        let joined = Conditioning::cat(vec![plain.clone(), own]);
        assert_eq!(first(joined.value_context.clone()), [3.0, 5.0]);
        let turned = joined.repeat(2).narrow(1, 2).cast(FloatDType::F32);
        assert_eq!(first(turned.value_context), [5.0, 3.0]);
        assert!(
            Conditioning::cat(vec![plain.clone(), plain])
                .value_context
                .is_none()
        );
    }

    #[test]
    fn further_keys_go_with_their_rows() {
        let own = rows(&[1.0], false).with_keys_of(vec![rows(&[4.0], false).context]);
        let plain = rows(&[3.0], false);
        assert!(plain.fits(&own) && plain.clone().with_keys_of(Vec::new()).key_contexts.is_none());
        let joined = Conditioning::cat(vec![plain.clone(), own]);
        let turned = joined.repeat(2).narrow(1, 2).cast(FloatDType::F32);
        let keys = turned.key_contexts.unwrap();
        let first = keys.contexts[0].clone().narrow(1, 0, 1).narrow(2, 0, 1);
        let contexts: Vec<f32> = first.try_into_vec_as().unwrap();
        assert_eq!(contexts, [4.0, 3.0]);
        let weights: Vec<f32> = keys.weights.try_into_vec_as().unwrap();
        assert_eq!(weights, [0.5, 0.5, 1.0, 0.0]);
        assert!(
            Conditioning::cat(vec![plain.clone(), plain])
                .key_contexts
                .is_none()
        );
    }

    #[test]
    fn what_fits_has_the_same_parts_in_the_same_shape() {
        let plain = rows(&[1.0], false);
        assert!(plain.fits(&rows(&[1.0, 2.0], false)));
        assert!(!plain.fits(&rows(&[1.0], true)));
        let wide = Conditioning::from(Tensor::<3>::zeros([1, 2, 4], &Device::flex()));
        assert!(!plain.fits(&wide));
        let sized = rows(&[1.0], true);
        let mut pooled_alone = sized.clone();
        if let Some(added) = &mut pooled_alone.added {
            added.time_ids = None;
        }
        assert!(!pooled_alone.fits(&sized));
        let two = Conditioning::cat(vec![pooled_alone.clone(), pooled_alone]);
        let added = two.added.unwrap();
        assert_eq!(
            (added.text_embeds.dims(), added.time_ids.is_none()),
            ([2, 4], true)
        );
    }
}
