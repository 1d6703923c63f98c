//! YAML as a tree in which every key and value knows its line and column.
//!
//! A pipeline is changed between reading and typing: `--set` replaces values, rounds are copied with their variables
//! filled in. Typing a tree rather than the text keeps the position of every value through all of that, so that an
//! error in the third round still points into the file.

mod access;
mod deserialize;
mod error;
mod load;
mod node;
mod set;
mod substitute;
mod syntax;
mod written;

pub use deserialize::deserialize;
pub use error::{DocumentError, Problem};
pub use load::load;
pub use node::{Entry, Mark, Node, Tree};
pub use set::{Assignment, AssignmentError};
pub use substitute::{CopySpace, Variables, substitute, substitute_within};
pub(crate) use substitute::{scalar_text, variable_in};
pub use written::Written;
