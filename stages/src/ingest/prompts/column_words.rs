//! What a column of a table holds, in words.

use arrow_schema::DataType;

/// One value of a column, such as `a list of texts`.
pub(super) fn in_words(kind: &DataType) -> String {
    match kind {
        DataType::Null => "nothing".to_owned(),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => format!("a list of {}", several(field.data_type())),
        DataType::Struct(fields) if fields.is_empty() => "a struct without fields".to_owned(),
        DataType::Struct(fields) => {
            const TOLD: usize = 10;
            let names = fields.iter().map(|field| format!("`{}`", field.name()));
            let told: Vec<String> = names.take(TOLD).collect();
            let more = match fields.len().saturating_sub(TOLD) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("a struct with the fields {}{more}", told.join(", "))
        }
        DataType::Map(..) => "a map of keys to values".to_owned(),
        DataType::Union(..) => "values of several kinds".to_owned(),
        DataType::Dictionary(_, inner) => in_words(inner),
        DataType::RunEndEncoded(_, inner) => in_words(inner.data_type()),
        kind => match several(kind) {
            "bytes" => "bytes".to_owned(),
            words => format!("a {}", words.strip_suffix('s').unwrap_or(words)),
        },
    }
}

/// Several values of a column.
fn several(kind: &DataType) -> &'static str {
    match kind {
        DataType::Null => "nothing",
        DataType::Boolean => "booleans",
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => "whole numbers",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "numbers",
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "decimal numbers",
        DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => "times",
        DataType::Date32 | DataType::Date64 => "dates",
        DataType::Duration(_) | DataType::Interval(_) => "durations",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "texts",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytes"
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => "lists",
        DataType::Struct(_) => "structs",
        DataType::Map(..) => "maps",
        DataType::Union(..) => "values of several kinds",
        DataType::Dictionary(_, inner) => several(inner),
        DataType::RunEndEncoded(_, inner) => several(inner.data_type()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, Fields, TimeUnit};

    use super::*;

    fn field(name: &str, kind: DataType) -> Arc<Field> {
        Arc::new(Field::new(name, kind, true))
    }

    #[test]
    fn kinds_are_told_in_words() {
        let fields = Fields::from(vec![
            field("prompt", DataType::Utf8),
            field("score", DataType::Float32),
        ]);
        for (kind, words) in [
            (DataType::Int64, "a whole number"),
            (DataType::Float32, "a number"),
            (DataType::Utf8, "a text"),
            (DataType::Binary, "bytes"),
            (DataType::Boolean, "a boolean"),
            (DataType::Null, "nothing"),
            (DataType::Decimal128(2, 1), "a decimal number"),
            (DataType::Timestamp(TimeUnit::Microsecond, None), "a time"),
            (DataType::Date32, "a date"),
            (
                DataType::List(field("element", DataType::Utf8)),
                "a list of texts",
            ),
            (
                DataType::Struct(fields.clone()),
                "a struct with the fields `prompt`, `score`",
            ),
            (
                DataType::List(field("element", DataType::Struct(fields.clone()))),
                "a list of structs",
            ),
            (
                DataType::Map(field("entries", DataType::Struct(fields)), false),
                "a map of keys to values",
            ),
        ] {
            assert_eq!(in_words(&kind), words);
        }
    }
}
