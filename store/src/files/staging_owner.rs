//! Whose files are in `tmp/`, and whether their process is still there.

use super::host::{boot_id, host_name};

/// The process that names a directory in `tmp/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagingOwner {
    pub(crate) host: String,
    pub(crate) boot: String,
    pub(crate) process: u32,
}

/// What can be said of a process from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Alive,
    Dead,
    /// It is, or was, on another host.
    Unknown,
}

impl StagingOwner {
    /// Reads `<host>.<boot>.<process>` with or without a further part.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(4, '.');
        Some(Self {
            host: parts.next()?.to_owned(),
            boot: parts.next()?.to_owned(),
            process: parts.next()?.parse().ok()?,
        })
    }

    pub(crate) fn life(&self) -> Life {
        if self.host != host_name() || self.boot.is_empty() || boot_id().is_empty() {
            return Life::Unknown;
        }
        let there = || {
            std::path::Path::new("/proc")
                .join(self.process.to_string())
                .exists()
        };
        if self.boot == boot_id() && there() {
            Life::Alive
        } else {
            Life::Dead
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::staging::Staging;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let own = StagingOwner::parse(&Staging::owner()).unwrap();
        assert_eq!(own.process, std::process::id());
        assert_eq!(own.life(), Life::Alive);

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = StagingOwner {
            process: child.id(),
            ..own.clone()
        };
        child.wait().unwrap();
        assert_eq!(ended.life(), Life::Dead);
        let before_boot = StagingOwner {
            boot: "0123456789ab".to_owned(),
            ..own.clone()
        };
        assert_eq!(before_boot.life(), Life::Dead);
        let elsewhere = StagingOwner {
            host: "elsewhere".to_owned(),
            ..own
        };
        assert_eq!(elsewhere.life(), Life::Unknown);
        for wrong in ["", "host", "host.boot", "host.boot.x.y"] {
            assert_eq!(StagingOwner::parse(wrong), None);
        }
    }
}
