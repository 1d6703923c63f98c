use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorReadError};

/// Makes exactly the parameters whose name `select` accepts trainable, and moves the module to
/// autodiff.
///
/// Names are module paths joined by dots. What is not selected carries no gradient, so the
/// backward pass skips its weight gradients altogether.
pub fn train_only<M: Module>(module: M, select: impl FnMut(&str) -> bool) -> M {
    module.map(&mut TrainOnly {
        path: Path::default(),
        select,
    })
}

/// Makes exactly the adapters trainable, and moves the module to autodiff.
pub fn train_adapters<M: Module>(module: M) -> M {
    train_only(module, |name| name.contains(".adapter."))
}

/// A parameter that is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainableParameter {
    /// Module path joined by dots.
    pub name: String,
    /// Extent of every dimension.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
}

/// The parameters that are trainable now, in module order.
pub fn trainable_parameters<M: Module>(module: &M) -> Vec<TrainableParameter> {
    let mut visitor = Trainable {
        path: Path::default(),
        found: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}

/// Values of the trainable f32 parameters by name.
pub(super) fn trainable_values<M: Module>(
    module: &M,
) -> Result<BTreeMap<String, Vec<f32>>, (String, TensorReadError)> {
    let mut visitor = Values {
        path: Path::default(),
        values: Ok(BTreeMap::new()),
    };
    module.visit(&mut visitor);
    visitor.values
}

/// Lets `change` rewrite the elements of every trainable f32 parameter.
///
/// On the CPU this happens in place where nobody else holds the parameter.
pub(super) fn rewrite_trainable<M: Module>(module: M, change: impl FnMut(&str, &mut [f32])) -> M {
    module.map(&mut Rewrite {
        path: Path::default(),
        change,
    })
}

/// Where a traversal stands in a module.
#[derive(Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub(super) fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    pub(super) fn exit(&mut self) {
        self.0.pop();
    }

    pub(super) fn name(&self) -> String {
        self.0.join(".")
    }
}

struct TrainOnly<F> {
    path: Path,
    select: F,
}

impl<F: FnMut(&str) -> bool> ModuleMapper for TrainOnly<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trainable = (self.select)(&self.path.name());
        param
            .map(|tensor| tensor.inner().autodiff())
            .set_require_grad(trainable)
    }
}

struct Trainable {
    path: Path,
    found: Vec<TrainableParameter>,
}

impl ModuleVisitor for Trainable {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.found.push(TrainableParameter {
                name: self.path.name(),
                shape: param.dims().to_vec(),
                dtype: param.dtype(),
            });
        }
    }
}

struct Values {
    path: Path,
    values: Result<BTreeMap<String, Vec<f32>>, (String, TensorReadError)>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(values) = &mut self.values else {
            return;
        };
        if !param.is_require_grad() {
            return;
        }
        let name = self.path.name();
        match param.val().inner().try_into_vec_as::<f32>() {
            Ok(elements) => {
                values.insert(name, elements);
            }
            Err(error) => self.values = Err((name, error)),
        }
    }
}

struct Rewrite<F> {
    path: Path,
    change: F,
}

impl<F: FnMut(&str, &mut [f32])> ModuleMapper for Rewrite<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let name = self.path.name();
        let (id, tensor, mapper) = param.consume();
        let device = tensor.device();
        let mut data = tensor.inner().into_data();
        let elements = data
            .as_mut_slice::<f32>()
            .expect("trainable parameters are checked to be f32 when training starts");
        (self.change)(&name, elements);
        let tensor = Tensor::from_data(data, (&device, DType::F32)).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}
