//! Several writers, one system call at a time, in an order that comes again with its seed.

use std::cell::Cell;
use std::sync::{Condvar, Mutex};

use super::chance::Chance;

thread_local! {
    static WRITER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Lets one writer run until its next system call, then draws the next.
#[derive(Debug)]
pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    live: Vec<usize>,
    current: usize,
    chance: Chance,
}

impl State {
    fn draw(&mut self) {
        if !self.live.is_empty() {
            self.current = self.live[self.chance.below(self.live.len())];
        }
    }
}

impl Schedule {
    pub(super) fn new(writers: usize, seed: u64) -> Self {
        let live = (0..writers).collect();
        let mut state = State {
            live,
            current: 0,
            chance: Chance::new(seed),
        };
        state.draw();
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Runs a writer on this thread; its system calls wait for their turn.
    pub(super) fn run<T>(&self, writer: usize, work: impl FnOnce() -> T) -> T {
        WRITER.set(Some(writer));
        self.wait(writer);
        let _leave = Leave {
            schedule: self,
            writer,
        };
        work()
    }

    /// Waits before a system call; threads that are no writers go on at once.
    pub(super) fn turn(&self) {
        let Some(writer) = WRITER.get() else { return };
        let mut state = self.state.lock().unwrap();
        state.draw();
        if state.current != writer {
            self.changed.notify_all();
            drop(state);
            self.wait(writer);
        }
    }

    fn wait(&self, writer: usize) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |state| state.current != writer)
                .unwrap(),
        );
    }
}

struct Leave<'s> {
    schedule: &'s Schedule,
    writer: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        WRITER.set(None);
        let mut state = self.schedule.state.lock().unwrap();
        state.live.retain(|writer| *writer != self.writer);
        state.draw();
        self.schedule.changed.notify_all();
    }
}
