//! The one place where the store waits for asynchronous work.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError, mpsc};

use tokio::runtime::{Builder, Handle};

/// The runtime of this process, driven by a thread of its own once a bucket is used.
static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Runs a future to its end; `None` if it stopped at a bug.
pub(super) fn wait<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> io::Result<Option<T>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    handle()?.spawn(async move {
        // Nobody waits any more if this fails.
        let _ = sender.send(future.await);
    });
    Ok(receiver.recv().ok())
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
