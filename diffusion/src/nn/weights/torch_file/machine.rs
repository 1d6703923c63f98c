//! Follows the instructions of a pickle, of which none calls anything.

use std::collections::HashMap;

use super::TorchFileError;
use super::constants::constant;
use super::cursor::Cursor;
use super::instruction::*;
use super::stack::Stack;
use super::storage::Storage;
use super::values::{GlobalName, Value, ValueId, Values};

/// Values that the pickle may come back to.
const MOST_REMEMBERED: usize = 1 << 20;

/// What a pickle holds.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub(super) root: ValueId,
    pub(super) values: Values<'a>,
    /// Every storage that a persistent id names, as often as one does.
    pub(super) storages: Vec<Storage<'a>>,
    /// One past its last byte.
    pub(super) end: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that begins at a position.
    ///
    /// # Errors
    /// When it is cut off or damaged, too large, or wants to call what has no known name.
    pub(super) fn read(bytes: &'a [u8], position: usize) -> Result<Self, TorchFileError> {
        let mut machine = Machine {
            cursor: Cursor::new(bytes, position, "its pickle"),
            values: Values::default(),
            storages: Vec::new(),
            stack: Stack::default(),
            memo: HashMap::new(),
        };
        while machine.step()? {}
        Ok(Self {
            root: machine.stack.pop()?,
            values: machine.values,
            storages: machine.storages,
            end: machine.cursor.position(),
        })
    }

    /// The outermost value.
    pub(super) fn value(&self) -> &Value<'a> {
        self.values.get(self.root)
    }
}

/// The state between two instructions.
pub(super) struct Machine<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) values: Values<'a>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) stack: Stack,
    memo: HashMap<u64, ValueId>,
}

impl<'a> Machine<'a> {
    /// Follows one instruction, and returns whether another one comes.
    fn step(&mut self) -> Result<bool, TorchFileError> {
        self.stack.at = self.cursor.position();
        let instruction = self.cursor.byte()?;
        if let Some(value) = constant(instruction, &mut self.cursor)? {
            return self.push(value).map(|()| true);
        }
        match instruction {
            STOP => return Ok(false),
            PROTO | FRAME => self.check_preamble(instruction)?,
            MARK | POP | POP_MARK | DUP => self.arrange(instruction)?,
            TUPLE | TUPLE1 | TUPLE2 | TUPLE3 | LIST | DICT | FROZENSET => self.collect(instruction)?,
            APPEND | APPENDS | ADDITEMS => self.append(instruction)?,
            SETITEM | SETITEMS => self.set_items(instruction)?,
            PUT | BINPUT | LONG_BINPUT | MEMOIZE => self.remember(instruction)?,
            GET | BINGET | LONG_BINGET => self.recall(instruction)?,
            GLOBAL | STACK_GLOBAL => self.name(instruction)?,
            BINPERSID => self.persistent()?,
            REDUCE => self.reduce()?,
            NEWOBJ | NEWOBJ_EX => self.new_object(instruction)?,
            BUILD => self.build()?,
            _ => return Err(self.refused(instruction)),
        }
        Ok(true)
    }

    fn check_preamble(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        if instruction == PROTO {
            return match self.cursor.byte()? {
                0..=NEWEST => Ok(()),
                _ => Err(self.stack.wrong("is of a newer protocol than is known")),
            };
        }
        let length = u64::from_le_bytes(self.cursor.array()?);
        match length <= self.cursor.remaining() as u64 {
            true => Ok(()),
            false => Err(TorchFileError::Truncated {
                place: "a frame of its pickle",
            }),
        }
    }

    fn arrange(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        match instruction {
            MARK => self.stack.mark(),
            DUP => self.stack.push(self.stack.top()?),
            // As in Python: a mark that lies on top is taken in place of a value.
            POP if !self.stack.is_marked() => self.stack.pop().map(drop),
            _ => self.stack.pop_to_mark().map(drop),
        }
    }

    fn collect(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        let items = match instruction {
            TUPLE1 => self.stack.pop_several(1)?,
            TUPLE2 => self.stack.pop_several(2)?,
            TUPLE3 => self.stack.pop_several(3)?,
            _ => self.stack.pop_to_mark()?,
        };
        self.values.count_items(items.len())?;
        let value = match instruction {
            LIST => Value::List(items),
            DICT => Value::Dictionary(self.pairs(&items)?),
            FROZENSET => Value::Skipped,
            _ => Value::Tuple(items),
        };
        self.push(value)
    }

    fn append(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        let items = match instruction {
            APPEND => self.stack.pop_several(1)?,
            _ => self.stack.pop_to_mark()?,
        };
        self.values.count_items(items.len())?;
        let target = self.stack.top()?;
        match self.values.get_mut(target) {
            Value::List(list) => list.extend(items),
            Value::Skipped => {}
            other => {
                let name = format!("{}.append", other.kind());
                return Err(self.call(name));
            }
        }
        Ok(())
    }

    fn set_items(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        let items = match instruction {
            SETITEM => self.stack.pop_several(2)?,
            _ => self.stack.pop_to_mark()?,
        };
        let pairs = self.pairs(&items)?;
        self.values.count_items(pairs.len())?;
        let target = self.stack.top()?;
        match self.values.get_mut(target) {
            Value::Dictionary(dictionary) => dictionary.extend(pairs),
            Value::Skipped => {}
            other => {
                let name = format!("{}.__setitem__", other.kind());
                return Err(self.call(name));
            }
        }
        Ok(())
    }

    fn remember(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        let place = match instruction {
            MEMOIZE => self.memo.len() as u64,
            _ => self.memo_place(instruction)?,
        };
        if self.memo.len() >= MOST_REMEMBERED {
            return Err(TorchFileError::TooMany {
                what: "remembered values",
                limit: MOST_REMEMBERED,
            });
        }
        self.memo.insert(place, self.stack.top()?);
        Ok(())
    }

    fn recall(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        let place = self.memo_place(instruction)?;
        match self.memo.get(&place) {
            Some(value) => self.stack.push(*value),
            None => Err(self.stack.wrong("recalls a value that it did not remember")),
        }
    }

    fn memo_place(&mut self, instruction: u8) -> Result<u64, TorchFileError> {
        match instruction {
            BINPUT | BINGET => Ok(self.cursor.byte()?.into()),
            LONG_BINPUT | LONG_BINGET => Ok(u32::from_le_bytes(self.cursor.array()?).into()),
            _ => {
                let line = std::str::from_utf8(self.cursor.line()?).ok();
                let place = line.and_then(|line| line.parse().ok());
                place.ok_or_else(|| self.stack.wrong("remembers a value at a place that is none"))
            }
        }
    }

    fn name(&mut self, instruction: u8) -> Result<(), TorchFileError> {
        let name = match instruction {
            GLOBAL => self.name_in_lines()?,
            _ => self.name_on_stack()?,
        };
        self.push(Value::Name(name))
    }

    fn name_on_stack(&mut self) -> Result<GlobalName<'a>, TorchFileError> {
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        match (self.values.get(module), self.values.get(name)) {
            (Value::Text(module), Value::Text(name)) => Ok(GlobalName { module, name }),
            _ => Err(self.stack.wrong("has a name that is no text")),
        }
    }

    pub(super) fn name_in_lines(&mut self) -> Result<GlobalName<'a>, TorchFileError> {
        let (module, name) = (self.cursor.line()?, self.cursor.line()?);
        match (std::str::from_utf8(module), std::str::from_utf8(name)) {
            (Ok(module), Ok(name)) => Ok(GlobalName { module, name }),
            _ => Err(self.stack.wrong("has a name that is no text")),
        }
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<(), TorchFileError> {
        let id = self.values.add(value)?;
        self.stack.push(id)
    }

    fn pairs(&self, items: &[ValueId]) -> Result<Vec<(ValueId, ValueId)>, TorchFileError> {
        match items.as_chunks::<2>() {
            (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
            _ => Err(self.stack.wrong("has a dictionary with a key without a value")),
        }
    }
}
