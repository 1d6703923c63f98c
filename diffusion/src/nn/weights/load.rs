//! Puts tensors into a module by name, all or nothing.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor, TensorData};

use super::channels_last::{channels_last, is_convolution};
use super::element::is_number;
use super::names::NameTable;
use super::transfer::{Transferred, element_type, transfer};
use super::{LoadProblem, TensorSource, WeightsError};

/// Loads every parameter of a module, and checks that no tensor is left over.
///
/// Parameters take the element type `dtype` whatever the file holds; their device and whether they
/// are trained stay as they are. Adapters (paths through a field called `adapter`) are left alone:
/// they live in files of their own. A file's `[out, in, 1, 1]` is accepted for an `[out, in]`
/// parameter, since older files store some projections as 1 x 1 convolutions.
///
/// # Errors
/// [`WeightsError::Misfit`] with every problem found, or the failure to read a tensor.
pub fn load_module<M: Module>(
    module: M,
    source: &dyn TensorSource,
    names: &NameTable<'_>,
    dtype: FloatDType,
) -> Result<M, WeightsError> {
    let mut loader = Loader {
        source,
        names,
        dtype,
        path: ParameterPath::default(),
        used: BTreeSet::new(),
        problems: Vec::new(),
        failure: None,
    };
    let module = module.map(&mut loader);
    if let Some(failure) = loader.failure {
        return Err(failure);
    }
    for name in source.names() {
        if !loader.used.contains(&name) && !names.is_ignored(&name) {
            let found = source.describe(&name).map(|(_, shape)| shape).unwrap_or_default();
            loader.problems.push(LoadProblem::Unused { name, found });
        }
    }
    if loader.problems.is_empty() {
        Ok(module)
    } else {
        Err(WeightsError::Misfit {
            origin: source.origin(),
            shards: loader
                .problems
                .iter()
                .filter_map(|problem| Some((problem.name().to_owned(), source.shard_of(problem.name())?)))
                .collect(),
            problems: loader.problems,
        })
    }
}

/// Follows a traversal and spells parameter paths as diffusers and PyTorch do.
#[derive(Default)]
pub(super) struct ParameterPath(Vec<String>);

impl ParameterPath {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        let normalization = matches!(container, "Struct:GroupNorm" | "Struct:LayerNorm");
        self.0.push(match name {
            "gamma" if normalization => "weight".to_owned(),
            "beta" if normalization => "bias".to_owned(),
            name => name.to_owned(),
        });
    }

    pub(super) fn exit(&mut self) {
        self.0.pop();
    }

    pub(super) fn is_adapter(&self) -> bool {
        self.0.iter().any(|segment| segment == "adapter")
    }

    pub(super) fn joined(&self) -> String {
        self.0.join(".")
    }
}

struct Loader<'a> {
    source: &'a dyn TensorSource,
    names: &'a NameTable<'a>,
    dtype: FloatDType,
    path: ParameterPath,
    used: BTreeSet<String>,
    problems: Vec<LoadProblem>,
    failure: Option<WeightsError>,
}

impl Loader<'_> {
    /// Finds the tensor for the current path and returns its values, or notes why it cannot.
    fn values(&mut self, expected: &[usize]) -> Option<TensorData> {
        let name = self.names.file_name(&self.path.joined());
        let former = || {
            self.names
                .former_name(&name)
                .filter(|former| self.source.describe(former).is_some())
        };
        let (name, (found_dtype, found)) = match self.source.describe(&name) {
            Some(described) => (name, described),
            None => match former().and_then(|former| Some((self.source.describe(&former)?, former))) {
                Some((described, former)) => (former, described),
                None => {
                    self.problems.push(LoadProblem::Missing {
                        name,
                        expected: expected.to_vec(),
                    });
                    return None;
                }
            },
        };
        self.used.insert(name.clone());
        if !same_shape(expected, &found) {
            self.problems.push(LoadProblem::Shape {
                name,
                expected: expected.to_vec(),
                found,
            });
            return None;
        }
        if !is_number(found_dtype) {
            self.problems.push(LoadProblem::NotFloat {
                name,
                found: found_dtype,
            });
            return None;
        }
        let count = expected.iter().product();
        let read = self
            .source
            .parts(&name)
            .and_then(|reader| transfer(reader.as_ref(), found_dtype, count, self.dtype));
        let Transferred { bytes, faults } = match read {
            Ok(transferred) => transferred,
            Err(error) => {
                self.failure.get_or_insert(error);
                return None;
            }
        };
        if faults.not_finite > 0 {
            self.problems.push(LoadProblem::NotFinite {
                name,
                count: faults.not_finite,
            });
            return None;
        }
        if faults.out_of_range > 0 {
            self.problems.push(LoadProblem::OutOfRange {
                name,
                count: faults.out_of_range,
                dtype: element_type(self.dtype).name(),
            });
            return None;
        }
        Some(TensorData::from_bytes(bytes, expected, element_type(self.dtype)))
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.path.is_adapter() || self.failure.is_some() {
            return param;
        }
        let shape = param.lazy_shape().to_vec();
        let Some(values) = self.values(&shape) else {
            return param;
        };
        let device = param.lazy_device();
        let options = (&device, element_type(self.dtype));
        let tensor = match is_convolution(&shape) {
            true => {
                let mut outwards = [0; D];
                outwards.copy_from_slice(&[0, 3, 1, 2]);
                Tensor::<D>::from_data(channels_last(values), options).permute(outwards)
            }
            false => Tensor::from_data(values, options),
        };
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

fn same_shape(expected: &[usize], found: &[usize]) -> bool {
    expected == found
        || (expected.len() == 2 && found.len() == 4 && found[..2] == *expected && found[2..] == [1, 1])
}
