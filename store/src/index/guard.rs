//! A thread that an index runs in, so that whatever happens to the index happens to the thread only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::error::IndexError;
use super::{Change, Index, Pair};

/// An index that does not answer for this long is given up.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// How long the first request waits for the index to open; later it is used when it is ready.
const PATIENCE: Duration = Duration::from_millis(300);

/// A request to the thread, with where to send the answer.
pub(super) enum Request {
    Get(Vec<u8>, Sender<Option<Vec<u8>>>),
    Put(Vec<Change>),
    Prefix {
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: usize,
        answer: Sender<Vec<Pair>>,
    },
    Clear(Sender<()>),
    /// Answered when everything before it is done.
    Sync(Sender<()>),
}

/// A thread with an index in it.
pub(super) struct Guard {
    requests: Sender<Request>,
    opening: Receiver<Result<(), IndexError>>,
    /// Disconnected once the thread has let go of the index.
    closed: Receiver<()>,
    begun: Instant,
    ready: bool,
    asked: bool,
    deadline: Duration,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The index is still opening; do without for now.
    NotYet,
    /// Another process uses it.
    InUse,
    /// It failed, panicked or hangs.
    Broken,
}

impl Guard {
    /// Starts a thread that opens the index and then answers.
    pub(super) fn start<I: Index>(
        open: impl FnOnce() -> Result<I, IndexError> + Send + 'static,
        deadline: Duration,
    ) -> Option<Self> {
        let (requests, received) = channel();
        let (opened, opening) = channel();
        let (closing, closed) = channel::<()>();
        let serve = move || {
            let _closing = closing;
            // A panic ends the thread; whoever asks then finds nobody there.
            let _ = catch_unwind(AssertUnwindSafe(|| match open() {
                Ok(index) => {
                    if opened.send(Ok(())).is_ok() {
                        // An index that fails is given up like one that panics.
                        let _ = serve(&index, &received);
                    }
                }
                Err(error) => drop(opened.send(Err(error))),
            }));
        };
        let thread = std::thread::Builder::new().name("mitune-index".to_owned());
        thread.spawn(serve).ok()?;
        Some(Self {
            requests,
            opening,
            closed,
            begun: Instant::now(),
            ready: false,
            asked: false,
            deadline,
        })
    }

    /// Asks and waits for the answer, but not for long.
    pub(super) fn ask<T>(&mut self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, Silence> {
        self.wait_until_ready()?;
        let (answer, answered) = channel();
        self.requests.send(request(answer)).map_err(|_| Silence::Broken)?;
        answered.recv_timeout(self.deadline).map_err(|_| Silence::Broken)
    }

    /// Hands over changes without waiting.
    pub(super) fn put(&mut self, changes: Vec<Change>) -> Result<(), Silence> {
        self.requests
            .send(Request::Put(changes))
            .map_err(|_| Silence::Broken)
    }

    /// Waits until everything handed over is written and the index is closed, at most for some time.
    pub(super) fn close(self, wait: Duration) {
        let Self { requests, closed, .. } = self;
        drop(requests);
        // It is disconnected by the end of the thread. What takes longer is lost and found out again.
        let _ = closed.recv_timeout(wait);
    }

    /// Waits until the index is open, however long it may take within the deadline.
    pub(super) fn wait(&mut self) -> Result<(), Silence> {
        self.asked = false;
        while !self.ready && self.begun.elapsed() < self.deadline {
            match self.wait_until_ready() {
                Err(Silence::NotYet) => self.asked = false,
                settled => return settled,
            }
        }
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), Silence> {
        if self.ready {
            return Ok(());
        }
        let patience = if std::mem::replace(&mut self.asked, true) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        match self.opening.recv_timeout(patience) {
            Ok(Ok(())) => {
                self.ready = true;
                Ok(())
            }
            Ok(Err(IndexError::InUse)) => Err(Silence::InUse),
            Ok(Err(IndexError::Failed(_))) | Err(RecvTimeoutError::Disconnected) => Err(Silence::Broken),
            Err(RecvTimeoutError::Timeout) if self.begun.elapsed() < self.deadline => Err(Silence::NotYet),
            Err(RecvTimeoutError::Timeout) => Err(Silence::Broken),
        }
    }
}

/// Answers until nobody asks any more or the index fails. An answer that nobody waits for any more is dropped.
fn serve(index: &impl Index, requests: &Receiver<Request>) -> Result<(), IndexError> {
    for request in requests {
        match request {
            Request::Get(key, answer) => drop(answer.send(index.get(&key)?)),
            Request::Put(changes) => index.put_batch(changes)?,
            Request::Prefix {
                prefix,
                after,
                limit,
                answer,
            } => drop(answer.send(index.prefix(&prefix, after.as_deref(), limit)?)),
            Request::Clear(answer) => {
                index.clear()?;
                let _ = answer.send(());
            }
            Request::Sync(answer) => {
                let _ = answer.send(());
            }
        }
    }
    Ok(())
}
