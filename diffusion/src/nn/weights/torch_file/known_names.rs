//! The names of Python that a file of tensors may use, and what becomes of a call of each.
//!
//! Nothing is called: a name that is listed stands for a value of this program, a call of any other is refused.

use super::values::GlobalName;

/// What a call of a known name yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// A dictionary, empty or of pairs.
    Dictionary,
    /// A tensor of a storage.
    Tensor(Rebuild),
    /// The tensor that is its first argument.
    Parameter,
    /// The tuple that is its first argument.
    Size,
    /// An object that holds no tensors.
    Skipped,
}

/// The functions by which PyTorch makes a tensor of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rebuild {
    /// Storage, offset, sizes, strides.
    Plain,
    /// The same, whether it is trained, hooks, perhaps metadata.
    Second,
    /// The same with an element type before the metadata, for types that came without storages of their own.
    Third,
}

impl Known {
    /// What stands for a call of this name.
    pub(super) fn of(name: GlobalName<'_>) -> Option<Self> {
        Some(match (name.module, name.name) {
            ("collections", "OrderedDict" | "defaultdict") => Self::Dictionary,
            // Settings in checkpoints of Lightning.
            (
                "pytorch_lightning.utilities.parsing"
                | "lightning_fabric.utilities.data"
                | "lightning.fabric.utilities.data",
                "AttributeDict",
            ) => Self::Dictionary,
            ("torch._utils", "_rebuild_tensor") => Self::Tensor(Rebuild::Plain),
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor(Rebuild::Second),
            ("torch._utils", "_rebuild_tensor_v3") => Self::Tensor(Rebuild::Third),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch", "Size") => Self::Size,
            ("torch", "device") | ("torch.serialization", "_get_layout") => Self::Skipped,
            // Bytes, sets and complex numbers in protocol 2, by the names of Python 2 and 3.
            ("_codecs", "encode") => Self::Skipped,
            ("builtins" | "__builtin__", "set" | "frozenset" | "bytearray" | "complex") => Self::Skipped,
            ("collections", "Counter") => Self::Skipped,
            // Losses and scores in training checkpoints (Stable Diffusion's, Lightning's); no tensor needs them.
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::Skipped,
            ("numpy", "dtype") => Self::Skipped,
            // Command lines in training checkpoints (DINO's).
            ("argparse", "Namespace") => Self::Skipped,
            ("pathlib", "PosixPath" | "WindowsPath" | "PurePosixPath" | "PureWindowsPath") => Self::Skipped,
            _ => return None,
        })
    }

    /// Whether it is a class, of which objects are made without arguments.
    pub(super) fn is_class(self) -> bool {
        matches!(self, Self::Dictionary | Self::Size | Self::Skipped)
    }
}
