//! Content-addressed artifact store: blobs, tables, action records, shards, checkpoints and run logs.
