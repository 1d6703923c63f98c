//! The groups that prompts are in, such as their categories.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::Array;
use mitune_store::{Artifact, Store, StoreError};

use super::column::{CompareColumnError, Row, check_words};
use crate::tables::columns::{ColumnError, string_column};

/// Groups at most: each is resampled for every arm, and a column of other words has one for every prompt.
const MOST_GROUPS: usize = 100;

/// Prompts that cannot be put into groups.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupError {
    #[error(transparent)]
    Unknown(CompareColumnError),
    #[error(
        "Column `{column}` has {found} different words, at most {} are groups",
        MOST_GROUPS
    )]
    TooMany { column: String, found: usize },
    #[error("Prompt `{prompt_id}` is in two groups, `{one}` and `{other}`")]
    Two {
        prompt_id: String,
        one: String,
        other: String,
    },
    #[error("Prompt `{prompt_id}` of {table} is in no table of `prompts`")]
    NoPrompt { prompt_id: String, table: String },
    #[error("{table} could not be read")]
    Column { table: String, source: ColumnError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The group of every prompt; prompts without a word are in none.
pub(super) struct Groups {
    of_prompts: BTreeMap<String, Option<String>>,
    names: BTreeSet<String>,
}

impl Groups {
    /// Reads the words of one column; every table comes with its name for messages.
    pub(super) fn read<'a>(
        store: &Store,
        tables: impl Iterator<Item = (&'a Artifact, String)>,
        column: &str,
    ) -> Result<Self, GroupError> {
        let mut groups = Self {
            of_prompts: BTreeMap::new(),
            names: BTreeSet::new(),
        };
        for (artifact, table) in tables {
            groups.add(store, artifact, &table, column)?;
        }
        match groups.names.len() {
            found if found > MOST_GROUPS => Err(GroupError::TooMany {
                column: column.to_owned(),
                found,
            }),
            _ => Ok(groups),
        }
    }

    fn add(
        &mut self,
        store: &Store,
        artifact: &Artifact,
        table: &str,
        column: &str,
    ) -> Result<(), GroupError> {
        let schema = store.artifacts().read_table(artifact, None)?.schema().clone();
        check_words(&schema, table, column).map_err(GroupError::Unknown)?;
        for batch in store
            .artifacts()
            .read_table(artifact, Some(&["prompt_id", column]))?
        {
            let batch = batch?;
            let told = |source| GroupError::Column {
                table: table.to_owned(),
                source,
            };
            let prompt_ids = string_column(&batch, "prompt_id").map_err(told)?;
            let words = string_column(&batch, column).map_err(told)?;
            for row in 0..batch.num_rows() {
                let word = words.is_valid(row).then(|| words.value(row));
                self.insert(prompt_ids.value(row), word)?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, prompt_id: &str, word: Option<&str>) -> Result<(), GroupError> {
        self.names.extend(word.map(str::to_owned));
        let word = word.map(str::to_owned);
        match self.of_prompts.insert(prompt_id.to_owned(), word.clone()) {
            Some(before) if before != word => {
                let written = |word: Option<String>| word.unwrap_or_else(|| "none".to_owned());
                Err(GroupError::Two {
                    prompt_id: prompt_id.to_owned(),
                    one: written(before),
                    other: written(word),
                })
            }
            _ => Ok(()),
        }
    }

    /// Checks that every prompt of an arm is known, whose table has a name for messages.
    pub(super) fn check(&self, rows: &[Row], table: &str) -> Result<(), GroupError> {
        match rows
            .iter()
            .find(|row| !self.of_prompts.contains_key(&row.prompt_id))
        {
            None => Ok(()),
            Some(row) => Err(GroupError::NoPrompt {
                prompt_id: row.prompt_id.clone(),
                table: table.to_owned(),
            }),
        }
    }

    /// The names of all groups, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Says whether a prompt is in a group.
    pub(super) fn has(&self, group: &str, prompt_id: &str) -> bool {
        let of_prompt = self.of_prompts.get(prompt_id);
        of_prompt.is_some_and(|word| word.as_deref() == Some(group))
    }
}
