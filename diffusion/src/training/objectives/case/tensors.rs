//! The tensors of a case by name, in f64.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::super::ComparedItems;
use super::error::CaseError;
use crate::nn::weights::{HostTensor, TensorMap};

/// Tensors of a case; those that gradients are asked for are made once, as leaves.
pub(super) struct CaseTensors<'a> {
    host: &'a TensorMap,
    leaves: BTreeMap<String, Tensor<4>>,
    device: Device,
}

impl<'a> CaseTensors<'a> {
    pub(super) fn new(host: &'a TensorMap, leaves: &[String], device: Device) -> Result<Self, CaseError> {
        let mut tensors = Self {
            host,
            leaves: BTreeMap::new(),
            device,
        };
        for name in leaves {
            let leaf = tensors.get::<4>(name)?.require_grad();
            tensors.leaves.insert(name.clone(), leaf);
        }
        Ok(tensors)
    }

    /// A tensor of the shape of latents, which may be a leaf.
    pub(super) fn latents(&self, name: &str) -> Result<Tensor<4>, CaseError> {
        match self.leaves.get(name) {
            Some(leaf) => Ok(leaf.clone()),
            None => self.get(name),
        }
    }

    /// A tensor without gradient.
    pub(super) fn get<const D: usize>(&self, name: &str) -> Result<Tensor<D>, CaseError> {
        let host = self.host(name)?;
        let values = host.to_f64()?;
        if host.shape.len() != D || host.shape.iter().product::<usize>() != values.len() {
            return Err(CaseError::Shape {
                tensor: name.to_owned(),
                shape: host.shape.clone(),
                values: values.len(),
                axes: D,
            });
        }
        let data = TensorData::new(values, host.shape.clone());
        Ok(Tensor::from_data(data, (&self.device, DType::F64)))
    }

    /// The values of a tensor on the host.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, CaseError> {
        Ok(self.host(name)?.to_f64()?)
    }

    /// What both networks predict for winners and for losers.
    pub(super) fn pairs(&self) -> Result<[ComparedItems; 2], CaseError> {
        Ok([self.compared("winner")?, self.compared("loser")?])
    }

    fn compared(&self, side: &str) -> Result<ComparedItems, CaseError> {
        Ok(ComparedItems {
            prediction: self.latents(&format!("prediction_{side}"))?,
            reference: self.latents(&format!("reference_{side}"))?,
            target: self.latents(&format!("target_{side}"))?,
        })
    }

    fn host(&self, name: &str) -> Result<&HostTensor, CaseError> {
        self.host.get(name).ok_or_else(|| CaseError::Missing {
            tensor: name.to_owned(),
        })
    }
}
