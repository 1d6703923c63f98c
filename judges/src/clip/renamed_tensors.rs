//! Some of the tensors of a source, under other names and cut or turned.

use std::collections::BTreeMap;

use mitune_diffusion::nn::weights::{Dtype, HostTensor, PartReader, TensorSource, WeightsError};

/// A view of a source; a tensor of which only parts are read is still read once as a whole if all its parts are.
pub(super) struct RenamedTensors<'a> {
    source: &'a dyn TensorSource,
    pieces: BTreeMap<String, Piece>,
}

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The tensor's name in the source.
    pub(super) name: String,
    pub(super) cut: Cut,
}

/// What is made of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The tensor as it is.
    Whole,
    /// One third of its rows, from 0: queries, keys and values lie in one tensor in files of open_clip.
    Third(usize),
    /// A matrix with rows and columns exchanged.
    Turned,
}

impl<'a> RenamedTensors<'a> {
    /// The tensors whose names begin in one of these ways.
    pub(super) fn only(source: &'a dyn TensorSource, beginnings: &[&str]) -> Self {
        Self::new(source, |name| {
            let is_meant = beginnings.iter().any(|beginning| name.starts_with(beginning));
            let piece = Piece {
                name: name.to_owned(),
                cut: Cut::Whole,
            };
            is_meant.then_some((name.to_owned(), piece)).into_iter().collect()
        })
    }

    /// All that `pieces` makes of each tensor, by its new names.
    pub(super) fn new(source: &'a dyn TensorSource, pieces: impl Fn(&str) -> Vec<(String, Piece)>) -> Self {
        let pieces = source
            .names()
            .into_iter()
            .flat_map(|name| pieces(&name))
            .collect();
        Self { source, pieces }
    }

    fn piece(&self, name: &str) -> Result<&Piece, WeightsError> {
        self.pieces.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })
    }
}

impl TensorSource for RenamedTensors<'_> {
    fn origin(&self) -> String {
        self.source.origin()
    }

    fn names(&self) -> Vec<String> {
        self.pieces.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        let piece = self.pieces.get(name)?;
        let (dtype, shape) = self.source.describe(&piece.name)?;
        Some((dtype, piece.cut.shape(shape)))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let piece = self.piece(name)?;
        match piece.cut {
            Cut::Whole => self.source.read(&piece.name),
            Cut::Turned => Ok(turned(self.source.read(&piece.name)?)),
            Cut::Third(_) => {
                let (dtype, shape) = self.describe(name).unwrap_or((Dtype::F32, Vec::new()));
                let mut data = vec![0; byte_count(dtype, &shape)];
                self.parts(name)?.read_part(0, &mut data)?;
                Ok(HostTensor { dtype, shape, data })
            }
        }
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        self.source.shard_of(&self.pieces.get(name)?.name)
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        let piece = self.piece(name)?;
        match piece.cut {
            Cut::Whole => self.source.parts(&piece.name),
            Cut::Turned => Ok(Box::new(self.read(name)?)),
            Cut::Third(third) => {
                let (dtype, shape) = self.describe(name).unwrap_or((Dtype::F32, Vec::new()));
                Ok(Box::new(LaterPart {
                    reader: self.source.parts(&piece.name)?,
                    begin: (third * byte_count(dtype, &shape)) as u64,
                }))
            }
        }
    }
}

impl Cut {
    /// The shape of what is made; one that cannot be cut or turned stays, and is refused as one that does not fit.
    fn shape(self, mut shape: Vec<usize>) -> Vec<usize> {
        match (self, shape.as_mut_slice()) {
            (Self::Third(_), [rows, ..]) if rows.is_multiple_of(3) => *rows /= 3,
            (Self::Turned, [rows, columns]) => std::mem::swap(rows, columns),
            _ => {}
        }
        shape
    }
}

/// A tensor from some byte on.
struct LaterPart {
    reader: Box<dyn PartReader>,
    begin: u64,
}

impl PartReader for LaterPart {
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        self.reader.read_part(self.begin + begin, out)
    }
}

fn turned(tensor: HostTensor) -> HostTensor {
    let [rows, columns] = tensor.shape[..] else {
        return tensor;
    };
    let width = tensor.dtype.bitsize() / 8;
    let mut data = Vec::with_capacity(tensor.data.len());
    for column in 0..columns {
        for row in 0..rows {
            let begin = (row * columns + column) * width;
            data.extend_from_slice(&tensor.data[begin..begin + width]);
        }
    }
    HostTensor {
        dtype: tensor.dtype,
        shape: vec![columns, rows],
        data,
    }
}

fn byte_count(dtype: Dtype, shape: &[usize]) -> usize {
    shape.iter().product::<usize>() * (dtype.bitsize() / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mitune_diffusion::nn::weights::{DigestedTensors, TensorMap, digest_tensors};

    fn source() -> TensorMap {
        let values = |count: usize| (0..count).map(|value| value as f32).collect::<Vec<f32>>();
        TensorMap::from([
            ("fused".to_owned(), HostTensor::from_f32(&values(12), vec![6, 2])),
            ("matrix".to_owned(), HostTensor::from_f32(&values(6), vec![2, 3])),
            ("other".to_owned(), HostTensor::from_f32(&values(1), vec![1])),
        ])
    }

    fn view(source: &dyn TensorSource) -> RenamedTensors<'_> {
        RenamedTensors::new(source, |name| {
            let piece = |new: &str, cut| {
                let name = name.to_owned();
                (new.to_owned(), Piece { name, cut })
            };
            match name {
                "fused" => ["q", "k", "v"]
                    .into_iter()
                    .enumerate()
                    .map(|(third, new)| piece(new, Cut::Third(third)))
                    .collect(),
                "matrix" => vec![piece("turned", Cut::Turned)],
                _ => Vec::new(),
            }
        })
    }

    #[test]
    fn tensors_are_cut_turned_and_left_out() {
        let source = source();
        let view = view(&source);
        assert_eq!(view.names(), ["k", "q", "turned", "v"]);
        for (name, shape, expected) in [
            ("q", [2, 2], vec![0.0, 1.0, 2.0, 3.0]),
            ("v", [2, 2], vec![8.0, 9.0, 10.0, 11.0]),
            ("turned", [3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        ] {
            let found = view.read(name).unwrap();
            assert_eq!(
                (found.shape.as_slice(), found.to_f32().unwrap()),
                (&shape[..], expected)
            );
            assert_eq!(view.describe(name).unwrap().1, shape);
        }
        assert!(view.read("other").is_err());
        assert_eq!(
            RenamedTensors::only(&source, &["fu", "ma"]).names(),
            ["fused", "matrix"]
        );
    }

    #[test]
    fn three_thirds_are_read_as_one_tensor() {
        let source = source();
        let digested = DigestedTensors::new(&source);
        let view = view(&digested);
        for name in view.names() {
            view.read(&name).unwrap();
        }
        drop(view);
        assert_eq!(digested.finish().unwrap(), digest_tensors(&source).unwrap());
    }
}
