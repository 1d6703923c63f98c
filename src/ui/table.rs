//! Text in columns.

use crate::failure::Failure;

use super::output::line;
use super::printable::one_line;

/// Rows of text whose columns are aligned; the last column is never padded.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table with its headings.
    pub(crate) fn with_headings<const N: usize>(headings: [&str; N]) -> Self {
        let mut table = Self::default();
        table.row(headings.map(str::to_owned));
        table
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| one_line(&cell)).into());
    }

    /// Writes the table to standard output.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        self.lines().iter().try_for_each(line)
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let pad = |(cell, width): (&String, &usize)| format!("{cell:<width$}");
        let join = |row: &Vec<String>| row.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ");
        self.rows
            .iter()
            .map(|row| join(row).trim_end().to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::with_headings(["a", "long heading", "c"]);
        table.row(["wide cell".into(), "x".into(), String::new()]);
        assert_eq!(table.lines(), ["a          long heading  c", "wide cell  x"]);
        table.row(["\u{1b}[2J".into(), "x\nforged  row".into(), String::new()]);
        assert_eq!(table.lines()[2], "\\u{1b}[2J  x\\nforged  row");
    }
}
