//! What the readers of a text find wrong with its bytes.

use std::io;

/// It travels inside of an [`io::Error`], because it is found where bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextProblem {
    /// What a program packed has no end.
    #[error("its {0} data ends too early; the file is cut short")]
    Cut(&'static str),
    /// What a program packed cannot be unpacked.
    #[error("its {0} data is damaged")]
    Damaged(&'static str),
    /// What a program packed refers to bytes too far back.
    #[error("its {0} data needs too much memory; pack it anew without `--long`")]
    Wide(&'static str),
    /// It unpacks to more bytes than are read.
    #[error("it unpacks to more than {0} bytes")]
    UnpacksToMore(u64),
    /// The end of a line is too far away.
    #[error("line {line} is longer than {limit} bytes")]
    LineTooLong { line: u64, limit: usize },
}

impl TextProblem {
    /// The problem that an error carries, if it carries one.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }

    /// Whether the file is not as it was written.
    pub(super) fn is_damage(self) -> bool {
        matches!(self, Self::Cut(_) | Self::Damaged(_))
    }
}

impl From<TextProblem> for io::Error {
    fn from(problem: TextProblem) -> Self {
        Self::new(io::ErrorKind::InvalidData, problem)
    }
}
