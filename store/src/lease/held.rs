//! A lease that is held.

use std::io::{self, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::content::Content;
use super::directory::{LeaseDirectory, Made, is_named};
use super::protocol::{Epoch, still_held};

/// A piece of work that this process does; dropping it releases the work.
///
/// A thread of its own gives the signs of life.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    signs: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    directory: LeaseDirectory,
    made: Made,
    epoch: Epoch,
    lost: AtomicBool,
    released: Mutex<bool>,
    wake: Condvar,
}

impl Lease {
    pub(super) fn hold(
        directory: LeaseDirectory,
        made: Made,
        epoch: Epoch,
        mut content: Content,
        interval: Duration,
    ) -> Self {
        let shared = Arc::new(Shared {
            directory,
            made,
            epoch,
            lost: AtomicBool::new(false),
            released: Mutex::new(false),
            wake: Condvar::new(),
        });
        let signs = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("mitune-lease".to_owned())
                .spawn(move || {
                    while !shared.wait(interval) && !shared.lost.load(Ordering::Relaxed) {
                        shared.give_sign(&mut content);
                    }
                })
        };
        Self {
            shared,
            // Without a thread others take the lease over after a while, which costs only time.
            signs: signs.ok(),
        }
    }

    /// Tells whether somebody else took the work over because this process seemed dead.
    ///
    /// The work may go on: results are created once. It is only likely to be done twice.
    pub fn lost(&self) -> bool {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self
            .shared
            .released
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(signs) = self.signs.take() {
            // It does nothing that could panic; if it did, there are no more signs.
            let _ = signs.join();
        }
        self.shared.directory.give_back(&self.shared.made);
    }
}

impl Shared {
    /// Waits for some time and returns true once the lease is released.
    fn wait(&self, interval: Duration) -> bool {
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .wake
            .wait_timeout_while(released, interval, |released| !*released);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes a sign of life, then looks whether the lease is still held.
    fn give_sign(&self, content: &mut Content) {
        content.counter = content.counter.wrapping_add(1);
        let files = self.directory.files();
        let write = || -> io::Result<()> {
            (&self.made.file).seek(SeekFrom::Start(0))?;
            files.write_all(&self.made.file, &content.to_bytes())?;
            files.sync(&self.made.file)
        };
        // A sign that could not be written is tried again at the next turn; if the name is gone, it never will be.
        let _ = write();
        let named = is_named(files, &self.made.file, &self.made.path);
        let followed = files.exists(&self.directory.file(self.epoch.saturating_add(1)));
        if !still_held(named, followed) {
            self.lost.store(true, Ordering::Relaxed);
        }
    }
}
