//! The edge where errors become messages and exit codes.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use mitune_stages::contract::StageError;
use mitune_stages::failure_hint;
use mitune_store::StoreError;
use mitune_store::remote::RemoteError;
use mitune_store::trust::KeyError;

use crate::device_hint::{device_hint, memory_ended};
use crate::engine::EngineError;
use crate::file_system_hint::file_system_hint;
use crate::panic_report;
use crate::pipeline::PipelineError;
use crate::ui::remark;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The work failed.
    Failed,
    /// The user asked for something that cannot be.
    Usage,
    /// The user stopped it; the number is the exit code.
    Interrupted(u8),
    /// Nobody reads standard output any more, which is how `head` ends.
    NobodyReads,
    /// The program is wrong.
    Bug,
}

impl Failure {
    /// Makes a failure of the work itself: exit code 1.
    pub(crate) fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Failed, error)
    }

    /// Makes a failure of usage or configuration: exit code 2.
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Usage, error)
    }

    /// Makes a failure of the program itself: exit code 1.
    pub(crate) fn bug(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Bug, error)
    }

    fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets the exit code of a run that was stopped.
    pub(crate) fn with_interrupt_code(mut self, code: u8) -> Self {
        if let Kind::Interrupted(current) = &mut self.kind {
            *current = code;
        }
        self
    }

    /// Returns the exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::NobodyReads => 0,
            Kind::Failed | Kind::Bug => 1,
            Kind::Usage => 2,
            Kind::Interrupted(code) => code,
        }
    }

    /// Writes the error, its causes and what to do to standard error.
    pub(crate) fn report(&self) {
        let message = self.message();
        if !message.is_empty() {
            remark(message.trim_end_matches('\n'));
        }
    }

    fn message(&self) -> String {
        if self.kind == Kind::NobodyReads {
            return String::new();
        }
        let label = if matches!(self.kind, Kind::Interrupted(_)) {
            ""
        } else {
            "Error: "
        };
        let mut text = format!("{label}{}\n", without_its_middle(&self.error.to_string()));
        let mut causes: Vec<String> = Vec::new();
        let mut source = self.error.source();
        while let Some(error) = source {
            let cause = error.to_string();
            // An error that only wraps another repeats its message.
            if causes.last().unwrap_or(&self.error.to_string()) != &cause {
                causes.push(cause);
            }
            source = error.source();
        }
        for (number, cause) in causes.iter().enumerate() {
            let number = if causes.len() > 1 {
                format!("{}: ", number + 1)
            } else {
                String::new()
            };
            text.push_str(&format!("  Caused by: {number}{}\n", without_its_middle(cause)));
        }
        if self.kind == Kind::Bug {
            text.push_str("This is a bug in mitune; please report it.\n");
            if let Some(file) = panic_report::write_details() {
                text.push_str(&format!("Details are in `{}`\n", file.display()));
            }
        }
        for hint in self.all_hints() {
            text.push_str(&format!("Hint: {hint}\n"));
        }
        text
    }

    /// What to do, from what is known closest to the fault to what is known of every error of its kind.
    fn all_hints(&self) -> Vec<Cow<'_, str>> {
        let error = self.error.as_ref();
        let mut hints: Vec<Cow<'_, str>> = self.hints.iter().map(Cow::from).collect();
        if hints.is_empty() {
            hints.extend(failure_hint::hint(error).map(Cow::from));
        }
        if hints.is_empty() {
            hints.extend(file_system_hint(error).map(Cow::from));
        }
        hints.extend(device_hint(error).map(Cow::from));
        hints
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let hint = error.hint();
        let failure = Self::usage(error);
        hint.into_iter().fold(failure, Failure::with_hint)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let kind = match &error {
            EngineError::Setup { .. } | EngineError::Device(_) => Kind::Usage,
            EngineError::Interrupted { .. } | EngineError::InterruptedEarly => Kind::Interrupted(130),
            // Some drivers end in a panic where others return an error.
            EngineError::Panic { message, .. } if memory_ended(message) => Kind::Failed,
            EngineError::Panic { .. } | EngineError::Outputs { .. } | EngineError::Key(_) => Kind::Bug,
            EngineError::Stage { .. }
            | EngineError::Changed { .. }
            | EngineError::Disowned { .. }
            | EngineError::ReadOnly { .. }
            | EngineError::RecordSize { .. }
            | EngineError::Store(_) => Kind::Failed,
        };
        let hint = match &error {
            EngineError::ReadOnly { .. } => Some(
                "Use a store of your own (`--store DIR`) with this one as a remote: `mitune remote add NAME STORE \
                 --read-only`",
            ),
            EngineError::RecordSize { .. } => Some(
                "Divide the inputs, columns or judges of the stage among several stages, and shorten their names",
            ),
            _ => None,
        };
        hint.into_iter().fold(Self::new(kind, error), Failure::with_hint)
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Configuration(error) => Self::usage(error),
            StageError::Interrupted => Self::new(Kind::Interrupted(130), error),
            other => Self::failed(other),
        }
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let hint = error.hint();
        let failure = match &error {
            RemoteError::Name(_)
            | RemoteError::Unknown { .. }
            | RemoteError::Url { .. }
            | RemoteError::ReadOnly(_)
            | RemoteError::Settings { .. }
            | RemoteError::NewerSettings { .. }
            | RemoteError::NothingMatches { .. } => Self::usage(error),
            _ => Self::failed(error),
        };
        hint.into_iter().fold(failure, Failure::with_hint)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let hint = match &error {
            KeyError::Exposed { .. } => {
                Some("`chmod 600` makes it yours alone; if others read it, make a new one")
            }
            _ => None,
        };
        hint.into_iter().fold(Self::usage(error), Failure::with_hint)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe {
            Kind::NobodyReads
        } else {
            Kind::Failed
        };
        Self::new(kind, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            io::Error::from(error).into()
        } else {
            Self::bug(error)
        }
    }
}

/// Characters of an error that are told; a value or a line of a file that it quotes may have millions.
const TOLD: usize = 2_000;

/// Leaves out the middle of an error that is too long to be read; its end often says what is wrong.
fn without_its_middle(text: &str) -> Cow<'_, str> {
    let mut ends = text.char_indices().map(|(at, _)| at);
    let (Some(first), Some(last)) = (ends.by_ref().nth(TOLD), ends.nth_back(TOLD / 4)) else {
        return Cow::Borrowed(text);
    };
    Cow::Owned(format!("{} [...] {}", &text[..first], &text[last..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn link(
        text: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> Box<dyn Error + Send + Sync> {
        Box::new(Link { text, source })
    }

    #[test]
    fn long_errors_lose_their_middle_only() {
        let plain = |count: usize| "a".repeat(count);
        assert_eq!(without_its_middle(&plain(2_400)), plain(2_400));
        let text = format!("`{}` is not finite", "\u{e9}".repeat(1_000_000));
        let told = without_its_middle(&text);
        assert!(told.chars().count() < 2_600, "{}", told.len());
        assert!(
            told.starts_with("`\u{e9}") && told.ends_with("` is not finite"),
            "{told}"
        );
    }

    #[test]
    fn messages_name_causes_once_and_end_with_hints() {
        let one = link("Stage failed", Some(link("Cannot read", None)));
        let message = Failure::failed(one).with_hint("Look there").message();
        assert_eq!(
            message,
            "Error: Stage failed\n  Caused by: Cannot read\nHint: Look there\n"
        );
        let wrapped = link("a", Some(link("a", Some(link("b", Some(link("c", None)))))));
        assert_eq!(
            Failure::usage(wrapped).message(),
            "Error: a\n  Caused by: 1: b\n  Caused by: 2: c\n"
        );
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::FileTooLarge] {
            let full = Failure::failed(io::Error::from(kind)).message();
            assert!(full.contains("Hint: Free some space"), "{full}");
        }
    }

    #[test]
    fn kinds_have_their_exit_codes() {
        assert_eq!(Failure::failed("x").exit_code(), 1);
        assert_eq!(Failure::usage("x").exit_code(), 2);
        assert_eq!(Failure::bug("x").exit_code(), 1);
        assert_eq!(
            Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(),
            0
        );
        assert_eq!(
            Failure::from(StageError::Interrupted)
                .with_interrupt_code(143)
                .exit_code(),
            143
        );
    }
}
