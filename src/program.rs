//! From arguments to an exit code.

use std::ffi::OsString;
use std::panic::catch_unwind;

use clap::Parser as _;
use clap::error::ErrorKind;
use mitune_stages::cpu_level::CpuLevelError;

use crate::cli::Arguments;
use crate::device_hint::memory_ended;
use crate::failure::Failure;
use crate::pipeline::StageKinds;
use crate::session::Session;
use crate::ui::{is_obeyed, print_usage};
use crate::{environment, file_size_limit, panic_report};

/// Runs the program and returns its exit code.
///
/// 0: done. 1: something failed. 2: wrong usage or configuration. 130 and 143: stopped by Ctrl-C or SIGTERM.
pub fn program(arguments: impl IntoIterator<Item = OsString>, kinds: &dyn StageKinds) -> u8 {
    // First of all, so that no panic is printed raw.
    panic_report::install();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let control = |argument: &OsString| argument.to_string_lossy().chars().any(is_obeyed);
    let obeyed = arguments.iter().any(control);
    let undecodable: Vec<String> = arguments
        .iter()
        .filter(|argument| argument.to_str().is_none())
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let mut arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) if error.kind() == ErrorKind::InvalidUtf8 => return refused(&not_text(undecodable)),
        Err(error) => {
            return match print_usage(&error, obeyed) {
                Ok(()) => u8::try_from(error.exit_code()).unwrap_or(2),
                Err(failure) => refused(&failure),
            };
        }
    };
    file_size_limit::fail_writes();
    let session = match environment::complete(&mut arguments.options)
        .and_then(|()| Session::new(&arguments.options, kinds))
    {
        Ok(session) => session,
        Err(failure) => return refused(&failure),
    };
    let result = catch_unwind(std::panic::AssertUnwindSafe(|| {
        if let Some(level) = arguments.options.cpu_level {
            level.hold_to().map_err(refused_level)?;
        }
        arguments.command.run(&session)
    }));
    let failure = match result {
        Ok(Ok(code)) => return code,
        Ok(Err(failure)) => failure,
        Err(panic) => match panic_report::message(panic.as_ref()) {
            // Some drivers end in a panic where others return an error.
            message if memory_ended(&message) => Failure::failed(message),
            _ => Failure::bug("The program stopped in the middle of its work"),
        },
    };
    refused(&failure)
}

/// Arguments that must be texts and are none.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not UTF-8 text, as this argument must be", .0.join("`, `"))]
struct NotText(Vec<String>);

fn not_text(arguments: Vec<String>) -> Failure {
    Failure::usage(NotText(arguments)).with_hint("Give the file another name, or a link that has one")
}

fn refused(failure: &Failure) -> u8 {
    failure.report();
    failure.exit_code()
}

fn refused_level(error: CpuLevelError) -> Failure {
    Failure::usage(error).with_hint("Without `--cpu-level` and `MITUNE_CPU_LEVEL`, the best one is taken")
}
