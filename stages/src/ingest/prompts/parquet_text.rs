//! A text column of a Parquet file, in any of the ways in which texts are stored.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields};

/// The texts of a batch; a null has none, and so has a value inside of a null.
#[derive(Debug)]
pub(crate) struct TextColumn {
    values: Values,
    /// What the column stands in, outermost first.
    around: Vec<ArrayRef>,
}

#[derive(Debug)]
enum Values {
    Text(StringArray),
    /// Texts that are not said to be any, as older writers leave them.
    Bytes(BinaryArray),
    /// A column that has no type because it has no value.
    Nothing,
}

impl TextColumn {
    /// The column of a batch, if it is there and can hold texts.
    pub(super) fn of(batch: &RecordBatch, name: &str) -> Option<Self> {
        if let Some(column) = batch.column_by_name(name) {
            return Self::new(column, Vec::new());
        }
        let mut steps = name.split('.');
        let mut column = batch.column_by_name(steps.next()?)?.clone();
        let mut around = Vec::new();
        for step in steps {
            let inner = column.as_struct_opt()?.column_by_name(step)?.clone();
            around.push(std::mem::replace(&mut column, inner));
        }
        Self::new(&column, around)
    }

    fn new(column: &ArrayRef, around: Vec<ArrayRef>) -> Option<Self> {
        let values = match column.data_type() {
            DataType::Utf8 => Values::Text(column.as_string().clone()),
            DataType::Binary => Values::Bytes(column.as_binary().clone()),
            DataType::Null => Values::Nothing,
            _ => return None,
        };
        Some(Self { values, around })
    }

    /// The bytes of a text; nothing where it is null.
    pub(crate) fn bytes(&self, row: usize) -> Option<&[u8]> {
        if self.around.iter().any(|array| array.is_null(row)) {
            return None;
        }
        match &self.values {
            Values::Text(texts) => texts.is_valid(row).then(|| texts.value(row).as_bytes()),
            Values::Bytes(bytes) => bytes.is_valid(row).then(|| bytes.value(row)),
            Values::Nothing => None,
        }
    }
}

/// Whether a column can hold texts.
pub(super) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::Binary | DataType::Null)
}

/// The place and field of a column by its name, or by its path through structs such as `meta.prompt`.
pub(super) fn find<'f>(fields: &'f Fields, name: &str) -> Option<(usize, &'f Field)> {
    if let Some((index, field)) = fields.find(name) {
        return Some((index, field));
    }
    let mut steps = name.split('.');
    let (index, field) = fields.find(steps.next()?)?;
    let inner = steps.try_fold(&**field, |field, step| match field.data_type() {
        DataType::Struct(fields) => fields.find(step).map(|(_, field)| &**field),
        _ => None,
    })?;
    Some((index, inner))
}

/// The path of the first text inside of a struct, such as `meta.prompt` of `meta`.
pub(super) fn text_inside(name: &str, kind: &DataType) -> Option<String> {
    let DataType::Struct(fields) = kind else {
        return None;
    };
    fields.iter().find_map(|field| {
        let path = format!("{name}.{}", field.name());
        match field.data_type() {
            DataType::Utf8 => Some(path),
            kind => text_inside(&path, kind),
        }
    })
}

/// Whether a value of this type may hold any number of others, as a list does.
pub(super) fn has_list(kind: &DataType) -> bool {
    match kind {
        DataType::Struct(fields) => fields.iter().any(|field| has_list(field.data_type())),
        kind => kind.is_nested(),
    }
}
