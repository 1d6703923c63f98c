//! Sending what was published to remotes while the work goes on.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::warning::{Warn, lasting};
use crate::error::describe;
use crate::names::Object;
use crate::remote::{TransferObserver, TransferOptions, Unwatched, Upstream, push_objects};
use crate::store::Store;

/// Records that may wait; whoever publishes more waits too, so that memory and the loss at a kill stay bounded.
const QUEUE: usize = 256;

/// A thread that sends records to remotes, started with the first one.
pub(crate) struct WriteBack {
    sender: Mutex<Option<SyncSender<Task>>>,
    waiting: Arc<Waiting>,
    warn: Arc<Warn>,
}

struct Task {
    store: Store,
    upstream: Arc<Upstream>,
    object: Object,
}

#[derive(Default)]
struct Waiting {
    count: Mutex<usize>,
    empty: Condvar,
}

impl WriteBack {
    pub(crate) fn new(warn: Arc<Warn>) -> Self {
        Self {
            sender: Mutex::new(None),
            waiting: Arc::default(),
            warn,
        }
    }

    pub(crate) fn send(&self, store: &Store, upstream: &Arc<Upstream>, object: Object) {
        let sender = {
            let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            sender.get_or_insert_with(|| self.start()).clone()
        };
        self.waiting.add();
        let task = Task {
            store: store.clone(),
            upstream: upstream.clone(),
            object,
        };
        if sender.send(task).is_err() {
            self.waiting.remove();
        }
    }

    /// Waits until everything was sent or given up.
    pub(crate) fn flush(&self) {
        let mut count = self.waiting.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            count = self
                .waiting
                .empty
                .wait(count)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn start(&self) -> SyncSender<Task> {
        let (sender, receiver) = sync_channel(QUEUE);
        let (waiting, warn) = (self.waiting.clone(), self.warn.clone());
        let thread = std::thread::Builder::new().name("write-back".to_owned());
        // Without a thread the receiver is gone and nothing is sent; the results are in the store all the same.
        let _ = thread.spawn(move || work(&receiver, &waiting, &warn));
        sender
    }
}

fn work(receiver: &Receiver<Task>, waiting: &Waiting, warn: &Warn) {
    while let Ok(task) = receiver.recv() {
        let Task {
            store,
            upstream,
            object,
        } = task;
        if !upstream.is_down() {
            let options = TransferOptions::default();
            // It was just made, so whatever the remote had under its name is another one.
            upstream.known.remove(&object);
            let notes = Notes(warn);
            // That a run waits for results is no news: what could not go was told, and the next push brings the rest.
            let observer: &dyn TransferObserver = match object {
                Object::Run(_) => &Unwatched,
                _ => &notes,
            };
            match push_objects(&store, &upstream, &[object], options, observer) {
                Ok(_) => {}
                Err(error) if error.is_lasting() => {
                    if upstream.give_up() {
                        warn(&lasting(&upstream, &error));
                    }
                }
                Err(error) => {
                    // The next push brings it; until then one warning is enough.
                    if upstream.give_up() {
                        warn(&format!("`{}` was not sent on: {}", object, describe(&error)));
                    }
                }
            }
        }
        drop(store);
        waiting.remove();
    }
}

impl Waiting {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn remove(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
        self.empty.notify_all();
    }
}

struct Notes<'a>(&'a Warn);

impl TransferObserver for Notes<'_> {
    fn note(&self, text: &str) {
        (self.0)(text);
    }
}
