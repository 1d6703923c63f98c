//! The program with the stages for tests, as a process of its own.
//!
//! A second program would have to be built and linked for every test run. Instead the test binary starts itself
//! again with a filter that selects [`child`], which then is the program.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::fake::FakeKinds;

const ARGUMENTS: &str = "MITUNE_TEST_ARGUMENTS";

/// What the test harness prints before the program begins; the second only if it uses a single thread.
const PREAMBLE: [&str; 2] = ["\nrunning 1 test\n", "test program::child ... "];

#[test]
fn child() {
    let Some(arguments) = std::env::var_os(ARGUMENTS) else {
        return;
    };
    let arguments = arguments.to_string_lossy().into_owned();
    let arguments = std::iter::once("mitune")
        .chain(arguments.split('\n'))
        .map(OsString::from);
    std::process::exit(mitune::program(arguments, &FakeKinds).into());
}

/// What the program said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Makes a command that is the program with the stages for tests.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["program::child", "--exact", "--nocapture"]);
    command.env(ARGUMENTS, arguments.join("\n"));
    isolate(&mut command, directory);
    command
}

/// Makes a command that is the program itself.
pub(crate) fn real_command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitune"));
    command.args(arguments);
    isolate(&mut command, directory);
    command
}

/// Cuts the program off from the user's settings.
fn isolate(command: &mut Command, directory: &Path) {
    command.current_dir(directory);
    command.env("XDG_CACHE_HOME", directory.join("cache"));
    command.env("XDG_CONFIG_HOME", directory.join("config"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env_remove("MITUNE_STORE").env_remove("RUST_BACKTRACE");
    command.env_remove("SLURM_JOB_ID");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
}

/// Starts the program with the stages for tests.
pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Child {
    command(directory, arguments).spawn().unwrap()
}

/// Runs the program with the stages for tests.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Ended {
    ended(command(directory, arguments).output().unwrap())
}

/// Runs the program itself.
pub(crate) fn run_real(directory: &Path, arguments: &[&str]) -> Ended {
    ended(real_command(directory, arguments).output().unwrap())
}

/// Reads what a finished process said.
pub(crate) fn ended(output: Output) -> Ended {
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stdout = PREAMBLE.iter().fold(stdout.as_str(), |text, preamble| {
        text.strip_prefix(preamble).unwrap_or(text)
    });
    let stdout = stdout.to_owned();
    Ended {
        code: output.status.code(),
        stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
