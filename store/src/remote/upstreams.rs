//! The remotes of an open store, reached at once or when the first of them is needed.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Upstream;

/// Reaches remotes.
pub(crate) type Reach = Box<dyn FnOnce() -> Vec<Upstream> + Send>;

/// Remotes that are reached once.
pub(crate) struct Upstreams {
    reached: OnceLock<Vec<Arc<Upstream>>>,
    reach: Mutex<Option<Reach>>,
}

impl Upstreams {
    /// Takes remotes that were reached already.
    pub(crate) fn reached(upstreams: Vec<Upstream>) -> Self {
        Self {
            reached: shared(upstreams).into(),
            reach: Mutex::new(None),
        }
    }

    /// Reaches remotes when the first of them is needed.
    pub(crate) fn later(reach: Reach) -> Self {
        Self {
            reached: OnceLock::new(),
            reach: Mutex::new(Some(reach)),
        }
    }

    /// Returns the remotes, reaching them if nobody did yet.
    pub(crate) fn all(&self) -> &[Arc<Upstream>] {
        self.reached.get_or_init(|| {
            let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner).take();
            reach.map_or_else(Vec::new, |reach| shared(reach()))
        })
    }

    /// Returns the remotes that were needed so far.
    pub(crate) fn used(&self) -> &[Arc<Upstream>] {
        self.reached.get().map_or(&[], Vec::as_slice)
    }
}

fn shared(upstreams: Vec<Upstream>) -> Vec<Arc<Upstream>> {
    upstreams.into_iter().map(Arc::new).collect()
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.used()).finish()
    }
}
