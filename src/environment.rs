//! Settings from environment variables, for what the command line leaves open.

use std::ffi::OsString;
use std::path::PathBuf;

use mitune_stages::cpu_level::CpuLevel;

use crate::failure::Failure;
use crate::global_options::GlobalOptions;

/// A variable with a value that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("Environment variable `{name}` is `{}`: {problem}", found.to_string_lossy())]
struct Variable {
    name: &'static str,
    found: OsString,
    problem: String,
}

/// Completes options with `MITUNE_STORE` and `MITUNE_CPU_LEVEL`; an empty variable counts as one that is not set.
///
/// # Errors
/// [`Failure`] of wrong usage that names the variable.
pub(crate) fn complete(options: &mut GlobalOptions) -> Result<(), Failure> {
    complete_from(options, std::env::var_os)
}

fn complete_from(
    options: &mut GlobalOptions,
    variable: impl Fn(&'static str) -> Option<OsString>,
) -> Result<(), Failure> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if options.store.is_none() {
        options.store = variable("MITUNE_STORE").map(PathBuf::from);
    }
    if options.cpu_level.is_none()
        && let Some(found) = variable(CPU_LEVEL)
    {
        options.cpu_level = Some(level(found)?);
    }
    Ok(())
}

const CPU_LEVEL: &str = "MITUNE_CPU_LEVEL";

fn level(found: OsString) -> Result<CpuLevel, Failure> {
    let parsed = found.to_string_lossy().parse::<CpuLevel>();
    parsed.map_err(|error| {
        Failure::usage(Variable {
            name: CPU_LEVEL,
            found,
            problem: error.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: GlobalOptions,
    }

    fn completed(line: &[&str], variables: &[(&str, &str)]) -> Result<GlobalOptions, Failure> {
        let mut options = Line::try_parse_from(line).unwrap().options;
        let value = |name| variables.iter().find(|(known, _)| *known == name);
        complete_from(&mut options, |name| value(name).map(|(_, value)| value.into()))?;
        Ok(options)
    }

    #[test]
    fn variables_fill_what_the_command_line_leaves_open() {
        let set = [("MITUNE_STORE", "/a"), ("MITUNE_CPU_LEVEL", "baseline")];
        let options = completed(&["mitune"], &set).unwrap();
        assert_eq!(options.store, Some(PathBuf::from("/a")));
        assert_eq!(options.cpu_level, Some(CpuLevel::Baseline));
        let options = completed(&["mitune", "--store", "/b"], &set).unwrap();
        assert_eq!(options.store, Some(PathBuf::from("/b")));
        let empty = [("MITUNE_STORE", ""), ("MITUNE_CPU_LEVEL", "")];
        let options = completed(&["mitune"], &empty).unwrap();
        assert_eq!((options.store, options.cpu_level), (None, None));
        let failure = completed(&["mitune"], &[("MITUNE_CPU_LEVEL", "sse9")]).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        let text = format!("{failure:?}");
        assert!(text.contains(CPU_LEVEL) && text.contains("sse9"), "{text}");
    }
}
