//! What the columns of a table of judgements mean, as the table itself tells.

use arrow_schema::{DataType, Schema};
use serde::Deserialize;

use crate::judges::ColumnKind;

/// The metadata of the table that tells what its columns mean.
pub(super) const METADATA_KEY: &str = "mitune.judged_columns";

/// A column that a judge filled.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ColumnMeaning {
    /// Its name.
    pub name: String,
    /// What it means, with its unit.
    pub meaning: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// Returns the columns of a table that judges filled, in the order in which it tells of them; none for other tables.
///
/// Columns that the table tells of and does not have are left out, so that whoever reads it finds all of them.
#[must_use]
pub fn column_meanings(schema: &Schema) -> Vec<ColumnMeaning> {
    let told = schema.metadata().get(METADATA_KEY);
    let told: Vec<ColumnMeaning> = told
        .and_then(|told| serde_json::from_str(told).ok())
        .unwrap_or_default();
    let there = |column: &ColumnMeaning| {
        let field = schema.field_with_name(&column.name);
        field.is_ok_and(|field| *field.data_type() == data_type(column.kind))
    };
    told.into_iter().filter(there).collect()
}

fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::HigherIsBetter | ColumnKind::LowerIsBetter => DataType::Float64,
        ColumnKind::Word => DataType::Utf8,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_schema::Schema;

    use super::{METADATA_KEY, column_meanings};
    use crate::judge::rows;
    use crate::judges::{Judge, ShapesJudge};

    #[test]
    fn tables_tell_what_their_judges_said_of_them() {
        let judge = ShapesJudge;
        let columns = judge.columns();
        let found = column_meanings(&rows::schema(columns));
        assert_eq!(found.len(), columns.len());
        for (found, column) in found.iter().zip(columns) {
            let told = (found.name.as_str(), found.meaning.as_str(), found.kind);
            assert_eq!(told, (&*column.name, column.meaning, column.kind));
        }
    }

    #[test]
    fn what_a_table_does_not_have_or_tell_is_left_out() {
        assert!(column_meanings(&Schema::empty()).is_empty());
        for told in [
            "",
            "[",
            r#"[{"name": "score", "meaning": "none", "kind": "word"}]"#,
        ] {
            let metadata = HashMap::from([(METADATA_KEY.to_owned(), told.to_owned())]);
            let schema = Schema::empty().with_metadata(metadata);
            assert!(column_meanings(&schema).is_empty(), "{told}");
        }
    }
}
