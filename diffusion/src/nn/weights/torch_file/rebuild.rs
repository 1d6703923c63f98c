//! Tensors as the arguments of PyTorch's own functions describe them.

use safetensors::Dtype;

use super::known_names::Rebuild;
use super::layout::{Layout, MOST_AXES};
use super::storage::{StoredTensor, element_type};
use super::values::{Value, ValueId, Values};

/// The tensor that a call with these arguments means, or what is wrong with them.
pub(super) fn rebuild_tensor<'a>(
    values: &Values<'a>,
    rebuild: Rebuild,
    arguments: &[ValueId],
) -> Result<StoredTensor<'a>, &'static str> {
    let (least, most) = match rebuild {
        Rebuild::Plain => (4, 4),
        Rebuild::Second => (6, 7),
        Rebuild::Third => (7, 8),
    };
    let [storage, offset, shape, strides, ..] = arguments else {
        return Err("has a tensor with too few arguments");
    };
    if !(least..=most).contains(&arguments.len()) {
        return Err("has a tensor with too few or too many arguments");
    }
    let Value::Storage(storage) = values.get(*storage) else {
        return Err("has a tensor without a storage");
    };
    let stated = match rebuild {
        Rebuild::Third => Some(stated_type(values, arguments[6])?),
        _ => None,
    };
    if arguments.len() == most && rebuild != Rebuild::Plain {
        check_metadata(values.get(arguments[most - 1]))?;
    }
    let dtype = stated
        .or(storage.dtype)
        .ok_or("has a tensor of bytes without an element type")?;
    let width = dtype.bitsize() as u64 / 8;
    let layout = Layout::new(
        size(values, *offset)?,
        sizes(values, *shape)?,
        sizes(values, *strides)?,
        storage.length() / width,
    )?;
    Ok(StoredTensor {
        storage: *storage,
        dtype,
        layout,
    })
}

fn stated_type(values: &Values<'_>, id: ValueId) -> Result<Dtype, &'static str> {
    let name = match values.get(id) {
        Value::Name(name) => element_type(*name),
        _ => None,
    };
    name.ok_or("has a tensor of an element type that is not read")
}

/// Metadata says that elements are to be conjugated or negated.
fn check_metadata(value: &Value<'_>) -> Result<(), &'static str> {
    match value {
        Value::None => Ok(()),
        Value::Dictionary(entries) if entries.is_empty() => Ok(()),
        _ => Err("has a tensor that is conjugated or negated as it is read"),
    }
}

fn sizes(values: &Values<'_>, id: ValueId) -> Result<Vec<usize>, &'static str> {
    match values.get(id) {
        Value::Tuple(items) | Value::List(items) if items.len() <= MOST_AXES => {
            items.iter().map(|item| size(values, *item)).collect()
        }
        _ => Err("has a tensor whose sizes or strides are no short list"),
    }
}

fn size(values: &Values<'_>, id: ValueId) -> Result<usize, &'static str> {
    let size = match values.get(id) {
        Value::Integer(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    size.ok_or("has a tensor with a size, stride or offset that cannot be")
}
