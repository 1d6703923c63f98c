//! The index as the store uses it: it never fails, it only knows nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::guard::{DEADLINE, Guard, Request, Silence};
use super::memory::MemoryIndex;
use super::sled_index::SledIndex;
use super::{Change, IndexChoice, Pair};
use crate::timestamp::Timestamp;

/// Changes that are collected before they are written.
const BATCH: usize = 1024;

/// Pairs fetched at a time.
const PAGE: usize = 4096;

/// Broken indexes kept for somebody to look at.
const KEPT_BROKEN: usize = 2;

/// How long the end of the process may wait for what is not written yet.
const LAST_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct IndexHandle {
    choice: IndexChoice,
    deadline: Duration,
    state: Mutex<State>,
    replaced: AtomicBool,
}

enum State {
    Unopened {
        restarts: u32,
    },
    Open {
        guard: Guard,
        restarts: u32,
        pending: Vec<Change>,
    },
    Off,
}

impl IndexHandle {
    /// Makes the handle of the index of a store; nothing is opened yet.
    pub(crate) fn new(choice: &IndexChoice, store_id: &str) -> Self {
        Self::with_deadline(choice, store_id, DEADLINE)
    }

    pub(super) fn with_deadline(choice: &IndexChoice, store_id: &str, deadline: Duration) -> Self {
        // The name comes from a file and becomes part of a path.
        let safe = !store_id.is_empty()
            && store_id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let choice = match choice {
            IndexChoice::Sled(folder) if safe => IndexChoice::Sled(folder.join(store_id).join("index.sled")),
            IndexChoice::Sled(_) => IndexChoice::None,
            choice => choice.clone(),
        };
        let state = match choice {
            IndexChoice::None => State::Off,
            _ => State::Unopened { restarts: 0 },
        };
        Self {
            choice,
            deadline,
            state: Mutex::new(state),
            replaced: AtomicBool::new(false),
        }
    }

    /// Tells whether an index is used; one that broke or belongs to another process is not.
    pub(crate) fn is_on(&self) -> bool {
        !matches!(*self.lock(), State::Off)
    }

    /// Tells once that the index broke and that a new one was begun, which lacks everything.
    pub(crate) fn take_rebuild(&self) -> bool {
        self.replaced.swap(false, Ordering::Relaxed)
    }

    /// Waits until the index is open, for work that is of no use without it; returns whether it is.
    pub(crate) fn wait(&self) -> bool {
        self.with_guard(|guard, _| guard.wait()).is_some()
    }

    pub(crate) fn get(&self, key: Vec<u8>) -> Option<Vec<u8>> {
        self.with_guard(|guard, pending| {
            // What is not written yet counts.
            if let Some((_, value)) = pending.iter().rev().find(|(other, _)| *other == key) {
                return Ok(value.clone());
            }
            guard.ask(|answer| Request::Get(key, answer))
        })?
    }

    /// Keeps a value, some time soon.
    pub(crate) fn put(&self, key: Vec<u8>, value: Vec<u8>) {
        self.change((key, Some(value)));
    }

    pub(crate) fn remove(&self, key: Vec<u8>) {
        self.change((key, None));
    }

    /// Hands over many changes at once and waits until they are written.
    pub(crate) fn put_all(&self, changes: Vec<Change>) {
        self.with_guard(|guard, _| {
            guard.put(changes)?;
            guard.ask(Request::Sync)
        });
    }

    /// Writes what was collected and waits for it; returns whether it is written.
    pub(crate) fn flush(&self) -> bool {
        let written = self.with_guard(|guard, pending| {
            guard.put(std::mem::take(pending))?;
            guard.ask(Request::Sync)
        });
        written.is_some()
    }

    /// Calls a function with all pairs of a tree in the order of their keys, some of them at a time.
    ///
    /// Returns whether that were all.
    pub(crate) fn scan(&self, prefix: &[u8], mut take: impl FnMut(Vec<Pair>) -> bool) -> bool {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.with_guard(|guard, pending| {
                if !pending.is_empty() {
                    guard.put(std::mem::take(pending))?;
                }
                guard.ask(|answer| Request::Prefix {
                    prefix: prefix.to_vec(),
                    after: after.clone(),
                    limit: PAGE,
                    answer,
                })
            });
            let Some(page) = page else { return false };
            let whole = page.len() < PAGE;
            after = page.last().map(|(key, _)| key.clone());
            if !take(page) || whole {
                return whole;
            }
        }
    }

    /// Forgets everything. One on disk is begun anew, which takes less memory than removing its entries.
    pub(crate) fn clear(&self) {
        let IndexChoice::Sled(path) = &self.choice else {
            self.with_guard(|guard, pending| {
                pending.clear();
                guard.ask(Request::Clear)
            });
            return;
        };
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Off) {
            State::Open { guard, restarts, .. } => {
                guard.close(LAST_WAIT);
                // What cannot be removed is found to be what it is when it is opened.
                let _ = std::fs::remove_dir_all(path);
                *state = State::Unopened { restarts };
            }
            other => *state = other,
        }
    }

    fn change(&self, change: Change) {
        self.with_guard(|guard, pending| {
            pending.push(change);
            if pending.len() >= BATCH {
                guard.put(std::mem::take(pending))?;
            }
            Ok(())
        });
    }

    /// Does something with the thread of the index, starting it on first use and giving it up when it is broken.
    fn with_guard<T>(
        &self,
        act: impl FnOnce(&mut Guard, &mut Vec<Change>) -> Result<T, Silence>,
    ) -> Option<T> {
        let mut state = self.lock();
        if let State::Unopened { restarts } = *state {
            *state = match self.start() {
                Some(guard) => State::Open {
                    guard,
                    restarts,
                    pending: Vec::new(),
                },
                None => State::Off,
            };
        }
        let State::Open {
            guard,
            restarts,
            pending,
        } = &mut *state
        else {
            return None;
        };
        match act(guard, pending) {
            Ok(value) => return Some(value),
            Err(Silence::NotYet) => return None,
            Err(Silence::InUse) => *state = State::Off,
            Err(Silence::Broken) => {
                let restarts = *restarts + 1;
                // The thread may hang for ever; what it holds is renamed under it.
                *state = match &self.choice {
                    IndexChoice::Sled(path) if restarts == 1 && set_aside(path) => {
                        self.replaced.store(true, Ordering::Relaxed);
                        State::Unopened { restarts }
                    }
                    _ => State::Off,
                };
            }
        }
        None
    }

    fn start(&self) -> Option<Guard> {
        match &self.choice {
            IndexChoice::None => None,
            IndexChoice::Memory => Guard::start(|| Ok(MemoryIndex::default()), self.deadline),
            IndexChoice::Sled(path) => {
                let path = path.clone();
                Guard::start(move || SledIndex::open(&path), self.deadline)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IndexHandle {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Open {
            mut guard, pending, ..
        } = std::mem::replace(state, State::Off)
        {
            if !pending.is_empty() {
                // A thread that is gone has nothing to write.
                let _ = guard.put(pending);
            }
            guard.close(LAST_WAIT);
        }
    }
}

impl fmt::Debug for IndexHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IndexHandle")
            .field("choice", &self.choice)
            .finish_non_exhaustive()
    }
}

/// Renames a broken index, so that the next process does not meet it, and removes older ones.
fn set_aside(path: &Path) -> bool {
    let broken = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let is_broken = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("index.bad-"))
        };
        entries.map(|entry| entry.path()).filter(is_broken).collect()
    };
    let Some(folder) = path.parent() else { return false };
    let mut old = broken(folder);
    old.sort();
    for path in old.iter().take((old.len() + 1).saturating_sub(KEPT_BROKEN)) {
        // It only takes room.
        let _ = std::fs::remove_dir_all(path);
    }
    let aside = folder.join(format!("index.bad-{}-{}", Timestamp::now().0, std::process::id()));
    std::fs::rename(path, aside).is_ok()
}
