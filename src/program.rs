//! From arguments to an exit code.

use std::ffi::OsString;
use std::panic::catch_unwind;

use clap::Parser as _;
use mitune_stages::cpu_level::CpuLevelError;

use crate::cli::Arguments;
use crate::device_hint::memory_ended;
use crate::failure::Failure;
use crate::pipeline::StageKinds;
use crate::session::Session;
use crate::ui::{is_obeyed, print_usage};
use crate::{commands, file_size_limit, panic_report};

/// Runs the program and returns its exit code.
///
/// 0: done. 1: something failed. 2: wrong usage or configuration. 130 and 143: stopped by Ctrl-C or SIGTERM.
pub fn program(arguments: impl IntoIterator<Item = OsString>, kinds: &dyn StageKinds) -> u8 {
    // First of all, so that no panic is printed raw.
    panic_report::install();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let control = |argument: &OsString| argument.to_string_lossy().chars().any(is_obeyed);
    let obeyed = arguments.iter().any(control);
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            print_usage(&error, obeyed);
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    file_size_limit::fail_writes();
    let session = match Session::new(&arguments, kinds) {
        Ok(session) => session,
        Err(failure) => {
            failure.report();
            return failure.exit_code();
        }
    };
    let result = catch_unwind(std::panic::AssertUnwindSafe(|| {
        if let Some(level) = arguments.cpu_level {
            level.hold_to().map_err(refused_level)?;
        }
        commands::run(arguments.command, &session)
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
    failure.report();
    failure.exit_code()
}

fn refused_level(error: CpuLevelError) -> Failure {
    Failure::usage(error).with_hint("Without `--cpu-level` and `MITUNE_CPU_LEVEL`, the best one is taken")
}
