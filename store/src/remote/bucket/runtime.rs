//! The one place where the store waits for asynchronous work.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

/// The runtime of this process, driven by a thread of its own once a bucket is used.
static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Set when the user wants the program to end.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// How long a set flag may go unnoticed.
const NOTICE: Duration = Duration::from_millis(50);

/// Why nobody waits for an answer any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum GaveUp {
    #[error("there was no answer within {} seconds", .0.as_secs())]
    Silence(Duration),
    #[error("the program was asked to end")]
    Stopped,
    #[error("the request stopped at a bug")]
    Bug,
    #[error(transparent)]
    Start(#[from] io::Error),
}

/// Ends every wait for a bucket, now and later, once the flag is set; the first flag of a process counts.
pub fn stop_waiting_at(flag: Arc<AtomicBool>) {
    let _ = STOP.set(flag);
}

/// Runs a future to its end, or until it took too long or the user wants the program to end.
pub(super) fn wait<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
    limit: Option<Duration>,
) -> Result<T, GaveUp> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let started = Instant::now();
    let task = handle()?.spawn(async move {
        // Nobody waits any more if this fails.
        let _ = sender.send(future.await);
    });
    let reason = loop {
        match receiver.recv_timeout(NOTICE) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => return Err(GaveUp::Bug),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if STOP.get().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            break GaveUp::Stopped;
        }
        if let Some(limit) = limit.filter(|limit| started.elapsed() >= *limit) {
            break GaveUp::Silence(limit);
        }
    };
    task.abort();
    Err(reason)
}

/// Chooses the cryptography of connections; must come before the first client.
pub(super) fn prepare() {
    // Fails if the program chose a provider itself, which then is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn handle() -> io::Result<Handle> {
    let mut started = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*started {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let thread = std::thread::Builder::new().name("remote".to_owned());
    thread.spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    *started = Some(handle.clone());
    Ok(handle)
}
