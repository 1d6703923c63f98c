//! Who holds a lease, and whether it still runs.

use std::fmt;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::files::host_name;

/// A process that holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of its host.
    pub host: String,
    /// Its number there.
    pub process: u32,
    /// The job of a cluster it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When it began, in ticks since its host booted, so that a number used again is told apart.
    started: u64,
    /// The boot of its host.
    boot: String,
    /// The machine, as several may have the same name.
    #[serde(default)]
    machine: String,
    /// The namespace in which its number counts.
    #[serde(default)]
    namespace: String,
    /// Told apart from all other leases, also of the same process.
    nonce: String,
}

/// Where this process runs.
#[derive(Debug, Clone)]
struct Here {
    host: String,
    boot: String,
    machine: String,
    namespace: String,
}

impl Owner {
    /// Names this process as the owner of one new lease.
    pub(super) fn this_process(job: Option<&str>) -> Self {
        let here = here();
        let process = std::process::id();
        Self {
            host: here.host.clone(),
            process,
            job: job.map(str::to_owned),
            started: start_of(process).unwrap_or(0),
            boot: here.boot.clone(),
            machine: here.machine.clone(),
            namespace: here.namespace.clone(),
            nonce: Ulid::generate().to_string(),
        }
    }

    /// Tells whether the process is surely gone, which only its own host can know; any doubt is no.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead_seen_from(here(), is_gone, start_of)
    }

    /// Tells whether this very process is the owner, not one that merely has its host name and number.
    pub(crate) fn is_this_process(&self) -> bool {
        let this = Self {
            job: self.job.clone(),
            nonce: self.nonce.clone(),
            ..Self::this_process(None)
        };
        *self == this
    }

    /// Tells whether the process runs, or ran, where this one sees all processes by their numbers.
    pub(super) fn is_here(&self) -> bool {
        let here = here();
        let same = |own: &str, other: &str| !own.is_empty() && own == other;
        same(&self.boot, &here.boot) && same(&self.namespace, &here.namespace)
    }

    fn is_dead_seen_from(
        &self,
        here: &Here,
        is_gone: impl Fn(u32) -> bool,
        start_of: impl Fn(u32) -> Option<u64>,
    ) -> bool {
        if self.boot.is_empty() || here.boot.is_empty() {
            return false;
        }
        if self.boot != here.boot {
            // The same machine after a restart. Machines may share a name, containers a machine.
            return self.host == here.host && !here.machine.is_empty() && self.machine == here.machine;
        }
        if self.namespace.is_empty() || self.namespace != here.namespace {
            return false;
        }
        is_gone(self.process)
            || (self.started > 0 && start_of(self.process).is_some_and(|started| started != self.started))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name comes from a file that anybody may have written.
        let safe = |text: &str| -> String {
            let plain = |c: char| {
                if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
                    c
                } else {
                    '-'
                }
            };
            text.chars().take(64).map(plain).collect()
        };
        write!(formatter, "{}:{}", safe(&self.host), self.process)?;
        match &self.job {
            Some(job) => write!(formatter, " (job {})", safe(job)),
            None => Ok(()),
        }
    }
}

fn here() -> &'static Here {
    static HERE: OnceLock<Here> = OnceLock::new();
    HERE.get_or_init(|| Here {
        host: host_name(),
        boot: first_line("/proc/sys/kernel/random/boot_id"),
        machine: first_line("/etc/machine-id"),
        namespace: std::fs::read_link("/proc/self/ns/pid")
            .map(|link| link.to_string_lossy().into_owned())
            .unwrap_or_default(),
    })
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Tells whether no process has a number, or one that only waits for its parent to ask how it ended; one that may not be
/// signalled is there.
fn is_gone(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let ended = || matches!(field(process, 0).as_deref(), Some("Z" | "X"));
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) || ended()
}

/// Reads when a process began, in ticks since the boot.
fn start_of(process: u32) -> Option<u64> {
    field(process, 19)?.parse().ok()
}

/// Reads what the system tells of a process, counted from the field after its name: its state is the first.
fn field(process: u32, index: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_whitespace().nth(index).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            host: "node".into(),
            process: 42,
            job: None,
            started: 1000,
            boot: "b1".into(),
            machine: "m1".into(),
            namespace: "pid:[1]".into(),
            nonce: "n".into(),
        }
    }

    fn seen(owner: &Owner, here: [&str; 4], start: Option<u64>) -> bool {
        let [host, boot, machine, namespace] = here.map(str::to_owned);
        let here = Here {
            host,
            boot,
            machine,
            namespace,
        };
        owner.is_dead_seen_from(&here, |_| start.is_none(), |_| start)
    }

    #[test]
    fn only_the_own_host_knows_a_death() {
        let same = ["node", "b1", "m1", "pid:[1]"];
        assert!(seen(&owner(), same, None), "no such process");
        assert!(!seen(&owner(), same, Some(1000)), "it runs");
        assert!(seen(&owner(), same, Some(1001)), "its number was used again");
        assert!(
            seen(&owner(), ["node", "b2", "m1", "pid:[1]"], Some(1000)),
            "restarted"
        );
        for other in [
            ["node", "b2", "m2", "pid:[1]"],
            ["other", "b2", "m1", "pid:[1]"],
            ["node", "b2", "", "pid:[1]"],
            ["node", "", "m1", "pid:[1]"],
            ["node", "b1", "m1", "pid:[2]"],
            ["node", "b1", "m1", ""],
        ] {
            assert!(!seen(&owner(), other, None), "{other:?}");
        }
    }

    #[test]
    fn this_process_lives_and_a_finished_one_does_not() {
        let own = Owner::this_process(None);
        assert!(!own.is_dead() && own.is_this_process());
        let namesake = Owner {
            namespace: "pid:[1]".into(),
            ..own.clone()
        };
        assert!(!namesake.is_this_process());
        assert!(own.started > 0 && !own.boot.is_empty(), "{own:?}");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut gone = own.clone();
        gone.process = child.id();
        child.wait().unwrap();
        assert!(gone.is_dead());
        let mut reused = own;
        reused.started += 1;
        assert!(reused.is_dead());
    }

    #[test]
    fn names_from_files_are_harmless_on_a_terminal() {
        let mut owner = owner();
        owner.host = "\u{1b}[2Jn\u{f6}de".into();
        owner.job = Some("7\n".into());
        assert_eq!(owner.to_string(), "--2Jn-de:42 (job 7-)");
    }

    /// Some containers never ask how a process ended that was killed.
    #[test]
    fn a_killed_process_that_nobody_asks_for_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_gone(child.id()));
        child.kill().unwrap();
        let ended = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            is_gone(child.id())
        });
        assert!(ended);
        child.wait().unwrap();
    }
}
