//! The memory that tensors of a pickle refer to.

use safetensors::Dtype;

use super::TorchFileError;
use super::layout::Layout;
use super::values::{GlobalName, Value, ValueId, Values};

/// A storage, or the part of one that older releases called a view, as a persistent id of a pickle says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    /// The type of its elements; none where they are bytes, whose type the tensor says.
    pub(super) dtype: Option<Dtype>,
    /// Elements of the whole storage.
    pub(super) count: u64,
    /// First element and number of elements of the part that is meant.
    part: (u64, u64),
}

impl Storage<'_> {
    /// Bytes of the whole storage.
    pub(super) fn whole_length(&self) -> u64 {
        self.count * self.width()
    }

    /// The first byte of the part that is meant, counted from the whole storage's.
    pub(super) fn begin(&self) -> u64 {
        self.part.0 * self.width()
    }

    /// Bytes of the part that is meant.
    pub(super) fn length(&self) -> u64 {
        self.part.1 * self.width()
    }

    fn width(&self) -> u64 {
        self.dtype.map_or(1, |dtype| dtype.bitsize() as u64 / 8)
    }
}

/// A tensor before it is known where in the file its storage lies.
#[derive(Debug, Clone)]
pub(super) struct StoredTensor<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) dtype: Dtype,
    pub(super) layout: Layout,
}

/// The storage that a persistent id stands for.
///
/// The id is `("storage", type, key, device, elements)`, before 1.6 with a view `(key, first, elements)` or None; no
/// other id is understood, and a whole module's is refused by the name of its class.
pub(super) fn storage<'a>(
    values: &Values<'a>,
    id: ValueId,
    position: usize,
) -> Result<Storage<'a>, TorchFileError> {
    let wrong = |reason| TorchFileError::Pickle { position, reason };
    let no_storage = "has a persistent id that is not of a storage";
    let Value::Tuple(fields) = values.get(id) else {
        return Err(wrong(no_storage));
    };
    let mut fields = fields.iter().map(|field| values.get(*field));
    let (kind, class) = (fields.next(), fields.next());
    let (Some(Value::Text(kind)), Some(Value::Name(class))) = (kind, class) else {
        return Err(wrong(no_storage));
    };
    let dtype = match (*kind, storage_type(*class)) {
        ("storage", Some(dtype)) => dtype,
        _ => {
            return Err(TorchFileError::Call {
                name: class.to_string(),
                position,
            });
        }
    };
    let (key, _device, count) = (fields.next(), fields.next(), fields.next());
    let (Some(Value::Text(key)), Some(Value::Integer(count))) = (key, count) else {
        return Err(wrong(no_storage));
    };
    let (key, count) = (*key, *count);
    let unusable = || TorchFileError::Storage {
        key: key.to_owned(),
        reason: "has a size that cannot be",
    };
    let count = u64::try_from(count).map_err(|_| unusable())?;
    // As a length in bits, which is asked for later.
    count.checked_mul(128).ok_or_else(unusable)?;
    let part = match fields.next() {
        None | Some(Value::None) => (0, count),
        Some(view) => part(values, view, count).ok_or_else(unusable)?,
    };
    Ok(Storage {
        key,
        dtype,
        count,
        part,
    })
}

/// First element and number of elements of a view.
fn part(values: &Values<'_>, view: &Value<'_>, count: u64) -> Option<(u64, u64)> {
    let Value::Tuple(view) = view else { return None };
    let [_key, first, length] = view.as_slice() else {
        return None;
    };
    let (Value::Integer(first), Value::Integer(length)) = (values.get(*first), values.get(*length)) else {
        return None;
    };
    let (first, length) = (u64::try_from(*first).ok()?, u64::try_from(*length).ok()?);
    (first.checked_add(length)? <= count).then_some((first, length))
}

/// The element type of a class of storages; of complex numbers and quantised ones there is none that is read.
fn storage_type(class: GlobalName<'_>) -> Option<Option<Dtype>> {
    if !matches!(class.module, "torch" | "torch.cuda" | "torch.storage") {
        return None;
    }
    Some(Some(match class.name {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        "ComplexFloatStorage" => Dtype::C64,
        "UntypedStorage" => return Some(None),
        _ => return None,
    }))
}

/// The element type that a name such as `torch.uint16` stands for.
pub(super) fn element_type(name: GlobalName<'_>) -> Option<Dtype> {
    if name.module != "torch" {
        return None;
    }
    Some(match name.name {
        "float64" | "double" => Dtype::F64,
        "float32" | "float" => Dtype::F32,
        "float16" | "half" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "float8_e4m3fn" => Dtype::F8_E4M3,
        "float8_e5m2" => Dtype::F8_E5M2,
        "float8_e4m3fnuz" => Dtype::F8_E4M3FNUZ,
        "float8_e5m2fnuz" => Dtype::F8_E5M2FNUZ,
        "float8_e8m0fnu" => Dtype::F8_E8M0,
        "int64" | "long" => Dtype::I64,
        "int32" | "int" => Dtype::I32,
        "int16" | "short" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint64" => Dtype::U64,
        "uint32" => Dtype::U32,
        "uint16" => Dtype::U16,
        "uint8" => Dtype::U8,
        "bool" => Dtype::BOOL,
        "complex64" => Dtype::C64,
        _ => return None,
    })
}
