//! Keys of several contexts for one set of values.

use burn::tensor::{DType, Tensor};

/// Further tokens that keys are made of, beside those of [`AttentionContext::keys`](super::AttentionContext).
///
/// Attention then gathers the same values with each of them and takes the mean, weighted row by row, so that rows with
/// different numbers of keys stand in one batch: a row is filled up with keys of weight 0, which change nothing.
#[derive(Clone, Debug)]
pub struct KeyContexts {
    /// Each `[batch, context tokens, context features]`.
    pub contexts: Vec<Tensor<3>>,
    /// The share of the first keys, then of each of `contexts`, `[batch, 1 + contexts]`, f32; rows sum to 1.
    pub weights: Tensor<2>,
}

impl KeyContexts {
    /// Takes further keys in equal parts with the first ones; none if there are none.
    pub fn in_equal_parts(contexts: Vec<Tensor<3>>) -> Option<Self> {
        let first = contexts.first()?;
        let (rows, keys) = (first.dims()[0], 1 + contexts.len());
        let weights = Tensor::full([rows, keys], 1.0 / keys as f64, (&first.device(), DType::F32));
        Some(Self { contexts, weights })
    }

    /// Changes keys and weights, each in its own way.
    #[must_use]
    pub fn map(
        self,
        keys: impl Fn(Tensor<3>) -> Tensor<3>,
        weights: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Self {
        Self {
            contexts: self.contexts.into_iter().map(keys).collect(),
            weights: weights(self.weights),
        }
    }

    /// Puts the further keys of several batches under each other, if any has some.
    ///
    /// Each part is its first keys and what it has besides; those with fewer are filled up with their first ones.
    pub fn cat(parts: &[(&Tensor<3>, Option<&Self>)]) -> Option<Self> {
        let most = parts
            .iter()
            .filter_map(|(_, own)| own.map(|own| own.contexts.len()));
        let most = most.max()?;
        let filled = parts.iter().map(|(first, own)| Self::filled(first, *own, most));
        let (contexts, weights): (Vec<Vec<Tensor<3>>>, Vec<Tensor<2>>) =
            filled.map(|one| (one.contexts, one.weights)).unzip();
        let column = |index: usize| -> Vec<Tensor<3>> {
            let of_part = |part: &Vec<Tensor<3>>| part[index].clone();
            contexts.iter().map(of_part).collect()
        };
        Some(Self {
            contexts: (0..most).map(|index| Tensor::cat(column(index), 0)).collect(),
            weights: Tensor::cat(weights, 0),
        })
    }

    /// Fills up with keys of weight 0 to `count` further ones.
    fn filled(first: &Tensor<3>, own: Option<&Self>, count: usize) -> Self {
        let (rows, device) = (first.dims()[0], first.device());
        let options = (&device, DType::F32);
        let (mut contexts, weights) = match own {
            Some(own) => (own.contexts.clone(), own.weights.clone()),
            None => (Vec::new(), Tensor::ones([rows, 1], options)),
        };
        let missing = count - contexts.len();
        contexts.resize(count, first.clone());
        let weights = match missing {
            0 => weights,
            missing => Tensor::cat(vec![weights, Tensor::zeros([rows, missing], options)], 1),
        };
        Self { contexts, weights }
    }

    /// Averages what `of_one` makes of each of the contexts with `first`, which is made of the first keys.
    pub(super) fn mean<const D: usize>(
        self,
        first: Tensor<D>,
        of_one: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        let weights = self.weights.cast(first.dtype());
        let share = |column: usize| {
            let mut shape = [1; D];
            shape[0] = weights.dims()[0];
            weights.clone().narrow(1, column, 1).reshape(shape)
        };
        let further = self.contexts.into_iter().enumerate();
        further.fold(first * share(0), |sum, (index, keys)| {
            sum + of_one(keys) * share(index + 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn keys(values: &[f32]) -> Tensor<3> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([values.len(), 1, 1])
    }

    fn numbers(keys: &KeyContexts) -> (Vec<Vec<f32>>, Vec<f32>) {
        let contexts = keys.contexts.iter().cloned();
        let contexts = contexts.map(|one| one.try_into_vec_as().unwrap()).collect();
        (contexts, keys.weights.clone().try_into_vec_as().unwrap())
    }

    #[test]
    fn rows_with_fewer_keys_are_filled_up_with_keys_of_weight_0() {
        assert!(KeyContexts::in_equal_parts(Vec::new()).is_none());
        let (plain, structured) = (keys(&[1.0, 2.0]), keys(&[3.0]));
        let own = KeyContexts::in_equal_parts(vec![keys(&[4.0])]).unwrap();
        assert_eq!(numbers(&own), (vec![vec![4.0]], vec![0.5, 0.5]));
        let joined = KeyContexts::cat(&[(&plain, None), (&structured, Some(&own))]).unwrap();
        let weights = vec![1.0, 0.0, 1.0, 0.0, 0.5, 0.5];
        assert_eq!(numbers(&joined), (vec![vec![1.0, 2.0, 4.0]], weights));
        assert!(KeyContexts::cat(&[(&plain, None)]).is_none());
    }

    #[test]
    fn a_mean_is_weighted_row_by_row() {
        let own = KeyContexts::in_equal_parts(vec![keys(&[5.0])]).unwrap();
        let joined = KeyContexts::cat(&[(&keys(&[1.0]), None), (&keys(&[3.0]), Some(&own))]).unwrap();
        let mean = joined.mean(keys(&[1.0, 3.0]), |keys| keys.mul_scalar(2.0));
        let mean: Vec<f32> = mean.try_into_vec_as().unwrap();
        assert_eq!(mean, [1.0, 6.5]);
    }
}
