//! How a system call can fail.

use rustix::io::Errno;

/// A system call that fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// The number of the call, counted from 0.
    pub(super) call: usize,
    pub(super) errno: Errno,
    pub(super) how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Nothing happens; a write gets half way first.
    Before,
    /// It happens, and an error is returned all the same.
    After,
    /// From then on every change fails, as on a full or dying disk.
    Lasting,
}

/// Syncs that are acknowledged and not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    None,
    Files,
    Directories,
    /// Directories of directories only.
    DirectoriesAbove,
    Everything,
}

/// What kind of call it is, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Change,
    Write,
    Read,
    Look,
}

impl Fault {
    /// Tells whether a call is the one that fails.
    pub(super) fn meets(&self, number: usize, call: Call) -> bool {
        match self.how {
            How::Lasting => number >= self.call && matches!(call, Call::Change | Call::Write),
            How::Before | How::After => number == self.call,
        }
    }

    /// A call that moves no bytes is not interrupted, and one that changes nothing needs no room.
    pub(super) fn is_sensible(&self, call: Call) -> bool {
        match self.errno {
            Errno::INTR => matches!(call, Call::Write | Call::Read),
            Errno::NOSPC | Errno::ROFS => matches!(call, Call::Write | Call::Change),
            _ => true,
        }
    }
}
