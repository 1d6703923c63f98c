//! Collection: removing what nothing kept leads to, in two steps a day apart, while others write.
//!
//! The first step marks what pins, runs, leases and recent records lead to, and moves the rest to the trash. The second
//! step is part of a later collection: it marks anew, puts back what is needed again and removes the rest of what has
//! been in the trash for a day. Every move is a rename, so a collection may be killed anywhere and the next one goes on.
//! `renewal.rs` says what writers do for their part.

mod chain;
mod digest_set;
mod dropped;
mod empty_trash;
mod error;
mod leftovers;
mod links;
mod mark;
mod mark_roots;
mod options;
mod renewal;
mod report;
mod sweep;
mod trash;
mod turn;
mod why;

use std::time::SystemTime;

use ulid::Ulid;

pub use chain::{Chain, ChainStep, Root};
pub use error::CollectError;
pub use options::{CollectOptions, KeepRounds};
pub use report::{Amount, CollectReport, Reason, RootCounts};

use self::mark_roots::mark_roots;
use self::sweep::Sweep;
use self::turn::Turn;
use crate::error::StoreError;
use crate::files::AtPath;
use crate::retention::KeptRun;
use crate::store::Store;

impl Store {
    /// Tells of each run, newest first, whether a collection would keep it.
    ///
    /// # Errors
    /// [`StoreError`] if the runs cannot be listed, or one has a record of a newer program.
    pub fn runs_kept(&self, options: &CollectOptions) -> Result<Vec<KeptRun>, StoreError> {
        self.kept_runs(options.keep_runs, options.older_than, self.clock())
    }

    /// Works out what a collection would do, without changing anything.
    ///
    /// # Errors
    /// [`CollectError`] if something cannot be read that may lead to what is needed.
    pub fn plan_collection(&self, options: &CollectOptions) -> Result<CollectReport, CollectError> {
        self.collect_with(options, None, self.clock())
    }

    /// Moves what nothing kept leads to into the trash, and removes for good what has been there for long enough.
    ///
    /// Others may read and write meanwhile. Interrupted anywhere, it loses nothing, and the next one goes on.
    ///
    /// # Errors
    /// [`CollectError::Busy`] if another collection is at work, or [`CollectError`] if something cannot be read that
    /// may lead to what is needed. Files that cannot be moved are counted in the report.
    pub fn collect(&self, options: &CollectOptions) -> Result<CollectReport, CollectError> {
        self.check_writable().map_err(StoreError::from)?;
        self.check_inside(&self.layout().trash())?;
        let now = self.clock();
        let turn = Turn::take(self, now)?;
        self.collect_with(options, Some((&turn, Ulid::generate())), now)
    }

    fn collect_with(
        &self,
        options: &CollectOptions,
        moves: Option<(&Turn<'_>, Ulid)>,
        now: SystemTime,
    ) -> Result<CollectReport, CollectError> {
        let (mark, roots) = mark_roots(self, options, now)?;
        let mut sweep = Sweep {
            store: self,
            mark: &mark,
            options,
            now,
            moves,
            report: CollectReport {
                roots,
                ..CollectReport::default()
            },
        };
        // What frees room comes first: on a full disk there may be none for new directories in the trash.
        sweep.trash()?;
        sweep.leftovers()?;
        sweep.records()?;
        sweep.blobs()?;
        let mut report = sweep.report;
        if let Some((_, batch)) = moves
            && !report.collected.is_empty()
        {
            report.id = Some(batch.to_string());
            let root = self.root();
            self.files()
                .sync_everything(root)
                .at("sync the file system of", root)?;
        }
        Ok(report)
    }
}
