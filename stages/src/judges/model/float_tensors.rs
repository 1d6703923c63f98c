//! Tensors that are weights: whole numbers in their place mean another file.

use std::collections::BTreeMap;

use mitune_diffusion::nn::weights::{Dtype, HostTensor, LoadProblem, PartReader, TensorSource, WeightsError};

/// Tensors of a source, which are refused when they are read and are no floats.
///
/// Positions and counters, which files hold as whole numbers, are never read.
pub(super) struct FloatTensors<'a>(pub(super) &'a dyn TensorSource);

impl FloatTensors<'_> {
    fn check(&self, name: &str) -> Result<(), WeightsError> {
        let found = match self.0.describe(name) {
            Some((found, _)) if is_whole(found) => found,
            _ => return Ok(()),
        };
        let name = name.to_owned();
        let shard = self.0.shard_of(&name);
        Err(WeightsError::Misfit {
            origin: self.0.origin(),
            shards: BTreeMap::from_iter(shard.map(|shard| (name.clone(), shard))),
            problems: vec![LoadProblem::NotWeights { name, found }],
        })
    }
}

fn is_whole(dtype: Dtype) -> bool {
    matches!(
        dtype,
        Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::U16
            | Dtype::I16
            | Dtype::U32
            | Dtype::I32
            | Dtype::U64
            | Dtype::I64
    )
}

impl TensorSource for FloatTensors<'_> {
    fn origin(&self) -> String {
        self.0.origin()
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.0.describe(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        self.check(name)?;
        self.0.read(name)
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        self.0.shard_of(name)
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        self.check(name)?;
        self.0.parts(name)
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::weights::TensorMap;

    use super::*;

    #[test]
    fn whole_numbers_are_no_weights() {
        let tensor = |dtype, bytes: usize| HostTensor {
            dtype,
            shape: vec![1],
            data: vec![0; bytes],
        };
        let file = TensorMap::from([
            ("proj".to_owned(), tensor(Dtype::I64, 8)),
            ("norm".to_owned(), tensor(Dtype::F16, 2)),
        ]);
        let floats = FloatTensors(&file);
        let error = floats.read("proj").unwrap_err().to_string();
        assert!(
            error.contains("`proj` has I64 elements, expected floats"),
            "{error}"
        );
        assert!(floats.parts("proj").is_err());
        assert!(floats.read("norm").is_ok() && floats.parts("norm").is_ok());
        assert_eq!(floats.names(), ["norm", "proj"]);
    }
}
