use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{self, Tensor, TensorData, TensorReadError};

use super::parameters::Path;

/// Gradients of the trainable parameters by name, summed over micro-batches on the host.
#[derive(Default)]
pub(super) struct Gradients {
    by_name: BTreeMap<String, TensorData>,
}

impl Gradients {
    /// Adds what one backward pass gave.
    pub(super) fn add<M: Module>(
        &mut self,
        module: &M,
        gradients: tensor::Gradients,
    ) -> Result<(), (String, TensorReadError)> {
        let mut collect = Collect {
            path: Path::default(),
            gradients,
            sums: &mut self.by_name,
            failed: None,
        };
        module.visit(&mut collect);
        match collect.failed {
            Some(failed) => Err(failed),
            None => Ok(()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&[f32]> {
        self.by_name.get(name).map(values)
    }

    /// Euclidean norm over all parameters together, or the first parameter that is not finite.
    ///
    /// Summed in f64 in a fixed order, so that it is the same on every run.
    pub(super) fn norm(&self) -> Result<f64, String> {
        let mut total = 0.0;
        for (name, data) in &self.by_name {
            let squares = sum_of_squares(values(data));
            if !squares.is_finite() {
                return Err(name.clone());
            }
            total += squares;
        }
        Ok(total.sqrt())
    }
}

/// Factor that brings gradients of this norm down to `max_norm`.
///
/// As in `torch.nn.utils.clip_grad_norm_`: `max_norm / (norm + 1e-6)`, at most 1.
pub(super) fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

/// Sum of squares in f64, with independent partial sums the compiler can keep in one register.
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut partial = [0.0_f64; 8];
    let (groups, rest) = values.as_chunks::<8>();
    for group in groups {
        for (sum, value) in partial.iter_mut().zip(group) {
            let value = f64::from(*value);
            *sum += value * value;
        }
    }
    let rest: f64 = rest.iter().map(|value| f64::from(*value).powi(2)).sum();
    partial.iter().sum::<f64>() + rest
}

fn values(data: &TensorData) -> &[f32] {
    data.as_slice::<f32>()
        .expect("gradients are converted to f32 when they are collected")
}

struct Collect<'a> {
    path: Path,
    gradients: tensor::Gradients,
    sums: &'a mut BTreeMap<String, TensorData>,
    failed: Option<(String, TensorReadError)>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() || self.failed.is_some() {
            return;
        }
        let Some(gradient) = param.val().grad_remove(&mut self.gradients) else {
            return;
        };
        let name = self.path.name();
        let data = match gradient.try_into_data_as::<f32>() {
            Ok(data) => data,
            Err(error) => {
                self.failed = Some((name, error));
                return;
            }
        };
        match self.sums.get_mut(&name) {
            None => {
                self.sums.insert(name, data);
            }
            Some(sum) => {
                let sum = sum
                    .as_mut_slice::<f32>()
                    .expect("gradients are converted to f32 when they are collected");
                for (sum, value) in sum.iter_mut().zip(values(&data)) {
                    *sum += value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_of_squares_covers_every_element() {
        let values: Vec<f32> = (1..=19).map(|n| n as f32).collect();
        assert_eq!(sum_of_squares(&values), 2470.0);
    }

    #[test]
    fn clip_factor_never_enlarges() {
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert_eq!(clip_factor(0.0, 1.0), 1.0);
        assert!((clip_factor(4.0, 1.0) - 1.0 / 4.000_001).abs() < 1e-15);
    }
}
