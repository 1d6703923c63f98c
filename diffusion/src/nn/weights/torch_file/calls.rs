//! The instructions that call something in Python, and what stands for a call of a known name.

use super::TorchFileError;
use super::instruction::{EXT1, EXT2, EXT4, INST, NEWOBJ_EX, OBJ, PERSID};
use super::known_names::Known;
use super::layout::MOST_AXES;
use super::machine::Machine;
use super::rebuild::rebuild_tensor;
use super::storage::storage;
use super::values::{Value, ValueId};

/// Arguments of a call, or sizes in one.
const MOST_ARGUMENTS: usize = MOST_AXES;

impl Machine<'_> {
    /// A persistent id, which PyTorch's own code would turn into a storage.
    pub(super) fn persistent(&mut self) -> Result<(), TorchFileError> {
        let id = self.stack.pop()?;
        let storage = storage(&self.values, id, self.stack.at)?;
        self.storages.push(storage);
        self.push(Value::Storage(storage))
    }

    pub(super) fn reduce(&mut self) -> Result<(), TorchFileError> {
        let (arguments, callable) = (self.stack.pop()?, self.stack.pop()?);
        let known = self.known(callable)?;
        let arguments = self.arguments(arguments)?;
        let value = match known {
            Known::Tensor(rebuild) => {
                let tensor = rebuild_tensor(&self.values, rebuild, &arguments);
                let tensor = tensor.map_err(|reason| self.stack.wrong(reason))?;
                self.values.count_items(2 * tensor.layout.shape().len())?;
                Value::Tensor(Box::new(tensor))
            }
            Known::Parameter => return self.parameter(&arguments),
            Known::Size => {
                let sizes = arguments.first().map(|sizes| self.arguments(*sizes));
                let sizes = sizes.transpose()?.unwrap_or_default();
                self.values.count_items(sizes.len())?;
                Value::Tuple(sizes)
            }
            Known::Dictionary => Value::Dictionary(self.listed_pairs(&arguments)?),
            Known::Skipped => Value::Skipped,
        };
        self.push(value)
    }

    pub(super) fn new_object(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        if instruction == NEWOBJ_EX {
            self.stack.pop()?;
        }
        let (_arguments, class) = (self.stack.pop()?, self.stack.pop()?);
        match self.known(class)? {
            Known::Dictionary => self.push(Value::Dictionary(Vec::new())),
            known if known.is_class() => self.push(Value::Skipped),
            _ => Err(self.call(self.values.get(class).kind())),
        }
    }

    /// Attributes of a dictionary (a state dict has versions there) or of an object are not needed; whatever else has
    /// a state would be called to take it.
    pub(super) fn build(&mut self) -> Result<(), TorchFileError> {
        self.stack.pop()?;
        match self.values.get(self.stack.top()?) {
            Value::Dictionary(_) | Value::Skipped => Ok(()),
            other => Err(self.call(format!("{}.__setstate__", other.kind()))),
        }
    }

    /// The error of an instruction that would call something, or that `torch.save` does not write.
    pub(super) fn refused(&mut self, instruction: u8) -> TorchFileError {
        let named = match instruction {
            INST => self.name_in_lines().map(|name| name.to_string()),
            OBJ => self.stack.pop_to_mark().map(|items| match items.first() {
                Some(class) => self.values.get(*class).kind(),
                None => "nothing".to_owned(),
            }),
            EXT1 => self.cursor.byte().map(|code| extension(code.into())),
            EXT2 => self
                .cursor
                .array()
                .map(|code| extension(u16::from_le_bytes(code).into())),
            EXT4 => self
                .cursor
                .array()
                .map(|code| extension(u32::from_le_bytes(code))),
            PERSID => return self.stack.wrong("has a persistent id that is not of a storage"),
            _ => return self.stack.wrong("has an instruction that no file of tensors has"),
        };
        match named {
            Ok(name) => self.call(name),
            Err(error) => error,
        }
    }

    /// The error of an instruction that would call what has this name.
    pub(super) fn call(&self, name: String) -> TorchFileError {
        TorchFileError::Call {
            name,
            position: self.stack.at,
        }
    }

    /// What stands for a call of a value.
    fn known(&self, callable: ValueId) -> Result<Known, TorchFileError> {
        let value = self.values.get(callable);
        let known = match value {
            Value::Name(name) => Known::of(*name),
            _ => None,
        };
        known.ok_or_else(|| self.call(value.kind()))
    }

    fn parameter(&mut self, arguments: &[ValueId]) -> Result<(), TorchFileError> {
        let is_tensor = |id: &ValueId| matches!(self.values.get(*id), Value::Tensor(_));
        match arguments.first().copied().filter(is_tensor) {
            Some(tensor) => self.stack.push(tensor),
            None => Err(self.stack.wrong("has a parameter that is no tensor")),
        }
    }

    /// The few items of a tuple or list.
    fn arguments(&self, arguments: ValueId) -> Result<Vec<ValueId>, TorchFileError> {
        match self.values.get(arguments) {
            Value::Tuple(items) | Value::List(items) if items.len() <= MOST_ARGUMENTS => Ok(items.clone()),
            _ => Err(self.stack.wrong("has a call whose arguments are no short tuple")),
        }
    }

    /// The pairs that a dictionary is made of, if it is made of any: Python 2 lists them in the call.
    fn listed_pairs(&mut self, arguments: &[ValueId]) -> Result<Vec<(ValueId, ValueId)>, TorchFileError> {
        let Some(Value::List(list)) = arguments.first().map(|list| self.values.get(*list)) else {
            return Ok(Vec::new());
        };
        let pair = |item: &ValueId| match self.values.get(*item) {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err(self.stack.wrong("has a dictionary of items that are no pairs")),
        };
        let pairs = list.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        self.values.count_items(pairs.len())?;
        Ok(pairs)
    }
}

fn extension(code: u32) -> String {
    format!("extension {code} of copyreg")
}
