//! `mitune init`

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{line, print_json};

/// The pipeline that is written, with a comment at every choice.
const TEMPLATE: &str = include_str!("init.yaml");

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The file to write; one that exists is never overwritten
    #[arg(value_name = "FILE", default_value = "mitune.yaml")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &InitArguments, session: &Session<'_>) -> Result<(), Failure> {
    let file = &arguments.file;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut target| target.write_all(TEMPLATE.as_bytes()));
    match written {
        Ok(()) if session.json => print_json(&serde_json::json!({ "file": file })),
        Ok(()) => line(format!("Wrote `{0}`; now run `mitune plan {0}`", file.display())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Failure::usage(format!("`{}` exists already", file.display())).with_hint("Give another name"))
        }
        Err(source) => Err(Failure::failed(Unwritable {
            file: file.clone(),
            source,
        })),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("Cannot write `{}`", file.display())]
struct Unwritable {
    file: PathBuf,
    source: io::Error,
}
