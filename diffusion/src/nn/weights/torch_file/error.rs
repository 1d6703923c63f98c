use std::fmt;

/// Why the tensors of a file that should be PyTorch's cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TorchFileError {
    /// Another kind of file, or a kind of PyTorch's that holds programs.
    #[error("It is {found}, expected tensors that `torch.save` wrote")]
    OtherKind {
        /// What it is.
        found: &'static str,
    },
    /// The file ends too early.
    #[error("It ends within {place}")]
    Truncated {
        /// What it ends in.
        place: &'static str,
    },
    /// The list of entries at the end of a zip archive is not as it should be.
    #[error("The directory of its zip archive {reason}")]
    Directory {
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry of a zip archive is not as `torch.save` writes it.
    #[error("Its entry `{entry}` {reason}")]
    Entry {
        /// The entry's name.
        entry: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The pickle is damaged, or holds what is not read.
    #[error("Its pickle {reason}, at byte {position}")]
    Pickle {
        /// The instruction's place in the pickle.
        position: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is more of something than any honest file has.
    #[error("Its pickle has more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// The pickle asks to run something.
    #[error(
        "Its pickle wants to call `{name}` (at byte {position}), which is refused: tensors are read, nothing is called"
    )]
    Call {
        /// What would have been called.
        name: String,
        /// The instruction's place in the pickle.
        position: usize,
    },
    /// A storage, which is the memory that tensors lie in, cannot be found or is not as the pickle says.
    #[error("Its storage `{key}` {reason}")]
    Storage {
        /// The storage's name.
        key: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A tensor's name cannot be used.
    #[error("Its tensor `{name}` {reason}")]
    Tensor {
        /// The tensor's name, or its beginning.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The outermost value is no dictionary.
    #[error("It holds {found}, expected a dictionary of tensors")]
    NoDictionary {
        /// What it holds.
        found: String,
    },
    /// There is no tensor at all.
    #[error("It holds no tensors")]
    NoTensors,
    /// There are no tensors below a key.
    #[error("It has no tensors below `{key}`{}", There(found))]
    NoPart {
        /// The key.
        key: String,
        /// First parts of the names that there are.
        found: Vec<String>,
    },
}

impl TorchFileError {
    /// What to do, where that is known.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Truncated { .. } | Self::Directory { .. } => {
                Some("Download it again: the last time did not come to its end")
            }
            Self::Call { .. } | Self::OtherKind { .. } => Some(
                "Where its origin is trusted, load it in Python and write `torch.save(model.state_dict(), FILE)`: \
                 tensors by name are read",
            ),
            _ => None,
        }
    }
}

struct There<'a>(&'a [String]);

impl fmt::Display for There<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "; there is " } else { ", " })?;
        }
        if self.0.len() > SHOWN {
            f.write_str(", ...")
        } else {
            Ok(())
        }
    }
}
