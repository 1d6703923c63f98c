//! What can be done with an open store, by what it is about.
//!
//! A handle is a view of the store and costs nothing; methods of each stand in the folder of its name.

use super::Store;

macro_rules! handles {
    ($($(#[$doc:meta])* $visible:vis $name:ident, $accessor:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            $visible struct $name<'s> {
                pub(crate) store: &'s Store,
            }
        )*

        impl Store {
            $(
                $(#[$doc])*
                $visible fn $accessor(&self) -> $name<'_> {
                    $name { store: self }
                }
            )*
        }
    };
}

handles! {
    /// Bytes by their digest.
    pub Blobs, blobs;
    /// Tables, tensors, directories, documents and pages.
    pub Artifacts, artifacts;
    /// Action records: which artifacts a stage key has, with checkpoints and tombstones.
    pub Records, records;
    /// Rows of tables, published a few at a time.
    pub Shards, shards;
    /// Executions of pipelines.
    pub Runs, runs;
    /// Names that keep results.
    pub Pins, pins;
    /// What there is in the store, and where it comes from.
    pub Catalog, catalog;
    /// Settings of other stores.
    pub Remotes, remotes;
    /// Files that a collection has taken away and may still be put back.
    pub(crate) Trash, trash;
    /// Records, shards, checkpoints, blobs and runs as files with names that all stores share.
    pub(crate) Objects, objects;
}
