//! Blobs on their way out of a bucket.

use std::future::poll_fn;
use std::sync::atomic::Ordering;

use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore as _};

use super::errors::{ignores_ranges, is_passing};
use super::{ATTEMPTS, Bucket, Object, PIECE, RemoteError, Sink};
use crate::names::FileDigest;

impl Bucket {
    /// Streams a blob of known size in pieces, each asked for on its own; returns false if it is not there.
    pub(super) fn fetch_pieces(
        &self,
        blob: &FileDigest,
        size: u64,
        sink: &mut Sink<'_>,
    ) -> Result<bool, RemoteError> {
        let object = Object::Blob(*blob);
        let key = self.key(&object.to_string());
        let mut start = 0;
        while start < size {
            if !self.ranges.load(Ordering::Relaxed) {
                return self.fetch_whole(&object, start, size, sink);
            }
            let range = start..size.min(start + PIECE);
            let piece = self.ask(|client| {
                let (key, range) = (key.clone(), range.clone());
                async move {
                    let options = GetOptions::default().with_range(Some(range));
                    client.get_opts(&key, options).await?.bytes().await
                }
            });
            match piece {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => {
                    sink(&bytes)?;
                    start += bytes.len() as u64;
                }
                Err(Error::NotFound { .. }) => return Ok(false),
                Err(error) if ignores_ranges(&error) => self.ranges.store(false, Ordering::Relaxed),
                // A shorter file than its record says; the hash then tells.
                Err(error) if error.to_string().contains("416 Range Not Satisfiable") => break,
                Err(error) => return Err(self.failed("read", &object, error)),
            }
        }
        Ok(true)
    }

    /// Streams a blob from a server that gives files as a whole only; what came before is passed over.
    fn fetch_whole(
        &self,
        object: &Object,
        mut start: u64,
        size: u64,
        sink: &mut Sink<'_>,
    ) -> Result<bool, RemoteError> {
        let key = self.key(&object.to_string());
        let mut attempt = 1;
        loop {
            let answer = self.stream(&key, &mut start, size, sink)?;
            match answer {
                Ok(()) => return Ok(true),
                Err(Error::NotFound { .. }) => return Ok(false),
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => self.rest(attempt),
                Err(error) => return Err(self.failed("read", object, error)),
            }
            attempt += 1;
        }
    }

    /// Hands on a file from a place on, which moves along; the inner error is that of the server or the line.
    fn stream(
        &self,
        key: &Path,
        start: &mut u64,
        size: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Result<(), Error>, RemoteError> {
        let opened = self.ask(|client| {
            let key = key.clone();
            async move { Ok(client.get_opts(&key, GetOptions::default()).await?.into_stream()) }
        });
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let mut place = 0;
        // Longer than its record says: no more is needed to know that.
        while place <= size {
            let answer = self.once(|_| async move {
                let piece = poll_fn(|context| stream.as_mut().poll_next(context)).await;
                Ok((stream, piece.transpose()?))
            });
            let bytes = match answer {
                Ok((rest, Some(bytes))) => {
                    stream = rest;
                    bytes
                }
                Ok((_, None)) => break,
                Err(error) => return Ok(Err(error)),
            };
            let known = usize::try_from(*start - place)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            place += bytes.len() as u64;
            if known < bytes.len() {
                *start = place;
                sink(&bytes[known..])?;
            }
        }
        Ok(Ok(()))
    }
}
