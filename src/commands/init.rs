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

    /// Model directory of the pipeline, relative to the file
    #[arg(long, value_name = "DIR", default_value = "models/shapes")]
    model: String,
}

pub(crate) fn run(arguments: &InitArguments, session: &Session<'_>) -> Result<(), Failure> {
    let file = &arguments.file;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut target| target.write_all(pipeline(&arguments.model)?.as_bytes()));
    match written {
        Ok(()) if session.json => print_json(&serde_json::json!({ "file": file.to_string_lossy() })),
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

/// Fills in the model, quoted as JSON, which is YAML whatever the path holds.
fn pipeline(model: &str) -> Result<String, serde_json::Error> {
    Ok(TEMPLATE.replace("{model}", &serde_json::to_string(model)?))
}

#[derive(Debug, thiserror::Error)]
#[error("Cannot write `{}`", file.display())]
struct Unwritable {
    file: PathBuf,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pipeline::{BuiltinKinds, parse};

    #[test]
    fn the_first_pipeline_is_valid_for_any_model() {
        for model in ["models/shapes", "/a b/c: #d"] {
            let parsed = parse(
                Path::new("x/first.yaml"),
                &pipeline(model).unwrap(),
                &[],
                &BuiltinKinds,
            )
            .unwrap();
            assert_eq!(parsed.spec.model.as_deref(), Some(Path::new(model)));
            assert_eq!(parsed.stages.len(), 9);
        }
    }
}
