//! The groups that prompts are in, such as their categories.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow_array::Array;
use mitune_stages::tables::columns::string_column;
use mitune_store::Store;

use super::super::error::ReportError;
use super::graph::{RunGraph, Source};
use super::tables::Table;

/// The group of each prompt that is in one, by the id of the prompt.
pub(super) type GroupOfPrompt = HashMap<String, String>;

/// Groups of prompts; every table is read once.
pub(super) struct PromptGroups<'a> {
    store: &'a Store,
    graph: &'a RunGraph,
    known: HashMap<(usize, String), GroupOfPrompt>,
}

impl<'a> PromptGroups<'a> {
    pub(super) fn new(store: &'a Store, graph: &'a RunGraph) -> Self {
        Self {
            store,
            graph,
            known: HashMap::new(),
        }
    }

    /// Returns the groups that a column of a table of prompts tells; none if it has no such column of words.
    pub(super) fn of(&mut self, prompts: Source<'_>, column: &str) -> Result<&GroupOfPrompt, ReportError> {
        let table = Table {
            store: self.store,
            graph: self.graph,
            source: prompts,
        };
        let groups: &GroupOfPrompt = match self.known.entry((prompts.stage, column.to_owned())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(read(table, column)?),
        };
        Ok(groups)
    }
}

fn read(table: Table<'_>, column: &str) -> Result<GroupOfPrompt, ReportError> {
    let mut groups = GroupOfPrompt::new();
    if !table.words()?.iter().any(|name| name == column) {
        return Ok(groups);
    }
    for batch in table.read(Some(&["prompt_id", column]))? {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(|error| table.column_error(error))?;
        let words = string_column(&batch, column).map_err(|error| table.column_error(error))?;
        for row in (0..batch.num_rows()).filter(|&row| words.is_valid(row)) {
            groups.insert(ids.value(row).to_owned(), words.value(row).to_owned());
        }
    }
    Ok(groups)
}
