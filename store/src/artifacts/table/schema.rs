//! Column types in canonical form.

use arrow_schema::{DataType, Field, Fields, Schema};

use super::error::TableError;

/// Encodes the fields of a table: names, types and whether null is allowed, without metadata.
pub(crate) fn encode_fields(schema: &Schema) -> Result<Vec<u8>, TableError> {
    let mut bytes = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if schema
            .fields()
            .iter()
            .take(index)
            .any(|earlier| earlier.name() == field.name())
        {
            return Err(TableError::RepeatedColumn(field.name().clone()));
        }
    }
    append_fields(schema.fields(), "", &mut bytes)?;
    Ok(bytes)
}

/// Encodes the type of one column, the tag that stands before each of its values.
pub(crate) fn encode_type(field: &Field) -> Result<Vec<u8>, TableError> {
    let mut bytes = Vec::new();
    append_type(field.data_type(), field.name(), &mut bytes)?;
    Ok(bytes)
}

/// Describes fields for messages.
pub(crate) fn describe(schema: &Schema) -> String {
    let field = |field: &std::sync::Arc<Field>| {
        let null = if field.is_nullable() { "" } else { " not null" };
        format!("`{}` {}{null}", field.name(), field.data_type())
    };
    schema.fields().iter().map(field).collect::<Vec<_>>().join(", ")
}

fn append_fields(fields: &Fields, path: &str, bytes: &mut Vec<u8>) -> Result<(), TableError> {
    bytes.extend_from_slice(&(fields.len() as u64).to_le_bytes());
    for field in fields {
        bytes.extend_from_slice(&(field.name().len() as u64).to_le_bytes());
        bytes.extend_from_slice(field.name().as_bytes());
        bytes.push(u8::from(field.is_nullable()));
        let path = if path.is_empty() {
            field.name().clone()
        } else {
            format!("{path}.{}", field.name())
        };
        append_type(field.data_type(), &path, bytes)?;
    }
    Ok(())
}

fn append_type(data_type: &DataType, path: &str, bytes: &mut Vec<u8>) -> Result<(), TableError> {
    let tag = match data_type {
        DataType::Boolean => 1,
        DataType::Int8 => 2,
        DataType::Int16 => 3,
        DataType::Int32 => 4,
        DataType::Int64 => 5,
        DataType::UInt8 => 6,
        DataType::UInt16 => 7,
        DataType::UInt32 => 8,
        DataType::UInt64 => 9,
        DataType::Float32 => 10,
        DataType::Float64 => 11,
        DataType::Utf8 => 12,
        DataType::Binary => 13,
        DataType::List(_) => 14,
        DataType::Struct(_) => 15,
        other => {
            return Err(TableError::Type {
                column: path.to_owned(),
                found: other.clone(),
            });
        }
    };
    bytes.push(tag);
    match data_type {
        // The name of a list's element differs between writers and means nothing.
        DataType::List(element) => {
            bytes.push(u8::from(element.is_nullable()));
            append_type(element.data_type(), path, bytes)
        }
        DataType::Struct(fields) => append_fields(fields, path, bytes),
        _ => Ok(()),
    }
}
