//! The values that instructions of a pickle work on.

use super::TorchFileError;
use super::values::ValueId;

/// Values at a time; Python's own writer takes them away after a thousand items of a container.
const MOST_STACKED: usize = 1 << 20;

/// Containers that are begun and not finished.
const MOST_MARKS: usize = 1 << 12;

/// A stack that marks divide into the containers that are begun.
#[derive(Debug, Default)]
pub(super) struct Stack {
    values: Vec<ValueId>,
    marks: Vec<usize>,
    /// Where the instruction begins that works on it, for messages.
    pub(super) at: usize,
}

impl Stack {
    pub(super) fn push(&mut self, value: ValueId) -> Result<(), TorchFileError> {
        if self.values.len() >= MOST_STACKED {
            return Err(TorchFileError::TooMany {
                what: "values at a time",
                limit: MOST_STACKED,
            });
        }
        self.values.push(value);
        Ok(())
    }

    pub(super) fn mark(&mut self) -> Result<(), TorchFileError> {
        if self.marks.len() >= MOST_MARKS {
            return Err(TorchFileError::TooMany {
                what: "containers in each other",
                limit: MOST_MARKS,
            });
        }
        self.marks.push(self.values.len());
        Ok(())
    }

    /// Whether a mark lies on top.
    pub(super) fn is_marked(&self) -> bool {
        self.marks.last() == Some(&self.values.len())
    }

    pub(super) fn top(&self) -> Result<ValueId, TorchFileError> {
        let top = self.values.last().copied().filter(|_| self.height() > 0);
        top.ok_or_else(|| self.wrong("takes a value that is not there"))
    }

    pub(super) fn pop(&mut self) -> Result<ValueId, TorchFileError> {
        let top = self.top()?;
        self.values.pop();
        Ok(top)
    }

    pub(super) fn pop_several(&mut self, count: usize) -> Result<Vec<ValueId>, TorchFileError> {
        if self.height() < count {
            return Err(self.wrong("takes a value that is not there"));
        }
        Ok(self.values.split_off(self.values.len() - count))
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<ValueId>, TorchFileError> {
        match self.marks.pop() {
            Some(mark) => Ok(self.values.split_off(mark)),
            None => Err(self.wrong("ends a container that it did not begin")),
        }
    }

    /// An error of the instruction that works on the stack.
    pub(super) fn wrong(&self, reason: &'static str) -> TorchFileError {
        TorchFileError::Pickle {
            position: self.at,
            reason,
        }
    }

    /// Values that may be taken: those above the last mark.
    fn height(&self) -> usize {
        self.values.len() - self.marks.last().copied().unwrap_or(0)
    }
}
