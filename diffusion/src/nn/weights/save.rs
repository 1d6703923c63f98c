//! Takes a module's parameters out by name, and writes them as safetensors.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::load::ParameterPath;
use super::names::NameTable;
use super::{HostTensor, TensorMap, WeightsError};

/// Copies every parameter of a module to the host, under the name its file gives it.
///
/// Adapters (paths through a field called `adapter`) are left out.
pub fn module_tensors<M: Module>(module: &M, names: &NameTable<'_>) -> TensorMap {
    let mut collector = Collector {
        names,
        path: ParameterPath::default(),
        tensors: TensorMap::new(),
    };
    module.visit(&mut collector);
    collector.tensors
}

/// Lists every parameter of a module under the name its file gives it, with its shape; parameters
/// that have no values yet get none by this.
///
/// Adapters (paths through a field called `adapter`) are left out.
pub fn parameter_shapes<M: Module>(module: &M, names: &NameTable<'_>) -> BTreeMap<String, Vec<usize>> {
    let mut lister = Lister {
        names,
        path: ParameterPath::default(),
        shapes: BTreeMap::new(),
    };
    module.visit(&mut lister);
    lister.shapes
}

/// Lays tensors out as the bytes of a safetensors file, cast to `dtype` when one is given.
///
/// The same tensors always give the same bytes.
///
/// # Errors
/// [`WeightsError::NotFloat`] or [`WeightsError::OutOfRange`] when a tensor cannot be cast;
/// [`WeightsError::Encode`] when a tensor's bytes do not match its shape.
pub fn encode_safetensors(tensors: &TensorMap, dtype: Option<Dtype>) -> Result<Vec<u8>, WeightsError> {
    let encode = |source| WeightsError::Encode { source };
    let cast = match dtype {
        Some(dtype) => Some(
            tensors
                .iter()
                .map(|(name, tensor)| Ok((name.clone(), narrowed(name, tensor, dtype)?)))
                .collect::<Result<TensorMap, WeightsError>>()?,
        ),
        None => None,
    };
    let views = cast
        .as_ref()
        .unwrap_or(tensors)
        .iter()
        .map(|(name, tensor)| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.data).map_err(encode)?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>, WeightsError>>()?;
    // transformers refuses files that do not say which framework laid the tensors out.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(encode)
}

/// Writes tensors to a safetensors file, cast to `dtype` when one is given.
///
/// # Errors
/// As [`encode_safetensors`], and when the file cannot be written.
pub fn write_safetensors(path: &Path, tensors: &TensorMap, dtype: Option<Dtype>) -> Result<(), WeightsError> {
    let bytes = encode_safetensors(tensors, dtype)?;
    std::fs::write(path, bytes).map_err(|source| WeightsError::Write {
        path: path.to_owned(),
        source,
    })
}

fn narrowed(name: &str, tensor: &HostTensor, dtype: Dtype) -> Result<HostTensor, WeightsError> {
    let narrow = tensor.cast(dtype)?;
    if tensor.dtype != dtype {
        let finite = |tensor: &HostTensor| -> Result<usize, WeightsError> {
            Ok(tensor.to_f32()?.iter().filter(|value| value.is_finite()).count())
        };
        let count = finite(tensor)? - finite(&narrow)?;
        if count > 0 {
            return Err(WeightsError::OutOfRange {
                tensor: name.to_owned(),
                dtype,
                count,
            });
        }
    }
    Ok(narrow)
}

struct Lister<'a> {
    names: &'a NameTable<'a>,
    path: ParameterPath,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Lister<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.path.is_adapter() {
            let name = self.names.file_name(&self.path.joined());
            self.shapes.insert(name, param.lazy_shape().to_vec());
        }
    }
}

struct Collector<'a> {
    names: &'a NameTable<'a>,
    path: ParameterPath,
    tensors: TensorMap,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.is_adapter() {
            return;
        }
        let data = param.val().into_data();
        let (data, dtype) = match data.dtype() {
            DType::F16 => (data, Dtype::F16),
            DType::BF16 => (data, Dtype::BF16),
            _ => (data.convert_dtype(DType::F32), Dtype::F32),
        };
        let shape = data.shape().to_vec();
        let tensor = HostTensor {
            dtype,
            shape,
            data: data.bytes().to_vec(),
        };
        self.tensors
            .insert(self.names.file_name(&self.path.joined()), tensor);
    }
}
