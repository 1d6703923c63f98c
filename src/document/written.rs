//! Numbers that remember how they were written.

use std::fmt;
use std::rc::Rc;

use super::node::{Mark, Node, Tree};

/// A number with its spelling, `1e3` or `0x10`, which is what a message quotes.
///
/// Two are equal if their values are, however they are written.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// The value.
    pub value: T,
    /// The spelling, if the value came from a text.
    pub text: Option<Rc<str>>,
}

impl<T> From<T> for Written<T> {
    fn from(value: T) -> Self {
        Self { value, text: None }
    }
}

impl<T: PartialEq> PartialEq for Written<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: fmt::Display> fmt::Display for Written<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => formatter.write_str(text),
            None => self.value.fmt(formatter),
        }
    }
}

impl Written<f64> {
    /// Whether this is a whole number that is only too large to be held as one.
    pub(super) fn is_written_whole(&self) -> bool {
        let digits = |text: &str| {
            let text = text.strip_prefix(['+', '-']).unwrap_or(text);
            text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
        };
        self.text.as_deref().is_some_and(digits)
    }
}

/// The longest spelling that is kept; more digits than this tell nobody more.
const LONGEST: usize = 80;

/// Gives every number below a node the spelling that stands at its position in the text.
pub(super) fn remember_spellings(node: &mut Node, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    remember(node, &lines);
}

fn remember(node: &mut Node, lines: &[&str]) {
    match &mut node.tree {
        Tree::Integer(number) => number.text = node.mark.and_then(|mark| spelling(mark, lines)),
        Tree::Float(number) => number.text = node.mark.and_then(|mark| spelling(mark, lines)),
        Tree::List(items) => items.iter_mut().for_each(|item| remember(item, lines)),
        Tree::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| remember(&mut entry.value, lines)),
        Tree::Null | Tree::Bool(_) | Tree::Text(_) => {}
    }
}

/// The word at a position, if it can be a number.
fn spelling(mark: Mark, lines: &[&str]) -> Option<Rc<str>> {
    let line = lines.get(usize::try_from(mark.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(mark.column).ok()?.checked_sub(1)?;
    let start = line.char_indices().nth(column)?.0;
    let ends = |character: char| character.is_whitespace() || matches!(character, ',' | ']' | '}' | '#');
    let word = line[start..].split(ends).next()?;
    let number = word.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'));
    (number && word.len() <= LONGEST).then(|| word.into())
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    #[test]
    fn numbers_are_quoted_as_they_stand() {
        let text = "# caf\u{e9}\na: 1e3 # rate\nb: {\u{e9}: 0x10, d: [017, +5, 1.0]}\ne: &x\n  18446744073709551616\nf: *x\n";
        let root = load(text).unwrap();
        let described = |path: &[&str]| {
            let node = path.iter().try_fold(&root, |node, step| match &node.tree {
                Tree::List(items) => items.get(step.parse::<usize>().unwrap()),
                _ => node.get(step),
            });
            node.unwrap().tree.describe()
        };
        for (path, expected) in [
            (&["a"][..], "number `1e3`"),
            (&["b", "\u{e9}"], "number `0x10`"),
            (&["b", "d", "0"], "number `017`"),
            (&["b", "d", "1"], "number `+5`"),
            (&["b", "d", "2"], "number `1.0`"),
            (&["e"], "number `18446744073709551616`"),
            (&["f"], "number `18446744073709551616`"),
        ] {
            assert_eq!(described(path), expected, "{path:?}");
        }
    }
}
