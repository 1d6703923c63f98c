//! A remote that is a prefix of an S3 bucket.

mod client;
mod download;
mod errors;
#[cfg(test)]
mod faulty_pages;
#[cfg(test)]
mod faulty_server;
mod pages;
mod runtime;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::future::Future;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

pub(crate) use self::client::BucketOptions;
use self::errors::{explain, is_not_implemented, is_not_understood, is_passing};
pub use self::runtime::stop_waiting_at;
use super::{Created, Listing, Remote, RemoteError, Sink};
use crate::names::{FileDigest, Object};

/// Blobs up to this size go up in one request; larger ones in parts, which S3 joins at the end.
const SINGLE: u64 = 64 << 20;

/// Bytes of a part or of a piece that is read; every piece is asked for anew when a line breaks.
const PIECE: u64 = 16 << 20;

/// How often a request is made; the client itself repeats what the server answers with an error of its own.
const ATTEMPTS: u32 = 4;

/// How long a server may take for its first answer; nobody knows yet whether it is there at all.
const FIRST_ANSWER: Duration = Duration::from_secs(12);

/// A prefix of a bucket that holds the files of a store.
pub struct Bucket {
    client: Arc<AmazonS3>,
    place: String,
    prefix: String,
    /// The server knows `If-None-Match`, or nobody knows yet.
    conditional: AtomicBool,
    /// Nobody knows yet what the server knows.
    learning: bool,
    /// The server gives parts of files, as far as is known.
    ranges: AtomicBool,
    pause: Duration,
    /// The server has answered.
    reached: AtomicBool,
}

impl Bucket {
    pub(crate) fn new(options: &BucketOptions) -> Result<Self, RemoteError> {
        runtime::prepare();
        let place = options.place();
        let client = options
            .client()
            .map_err(|error| explain(&place, "reach", "", error))?;
        Ok(Self {
            client: Arc::new(client),
            place,
            prefix: options.prefix.clone(),
            conditional: AtomicBool::new(options.creates_once != Some(false)),
            learning: options.creates_once.is_none(),
            ranges: AtomicBool::new(true),
            pause: options.pause,
            reached: AtomicBool::new(false),
        })
    }

    fn key(&self, name: &str) -> Path {
        match self.prefix.is_empty() {
            true => Path::from(name),
            false => Path::from(format!("{}/{name}", self.prefix)),
        }
    }

    /// Makes one request.
    fn once<T, F>(&self, request: impl FnOnce(Arc<AmazonS3>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let generic = |source: super::Cause| Error::Generic { store: "S3", source };
        let limit = (!self.reached.load(Ordering::Relaxed)).then_some(FIRST_ANSWER);
        let answer = runtime::wait(request(self.client.clone()), limit);
        let answer = answer.unwrap_or_else(|error| Err(generic(error.into())));
        if matches!(answer, Ok(_) | Err(Error::NotFound { .. })) {
            self.reached.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Makes a request that may be repeated.
    fn ask<T, F>(&self, request: impl Fn(Arc<AmazonS3>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut attempt = 1;
        loop {
            match self.once(&request) {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => self.rest(attempt),
                answer => return answer,
            }
            attempt += 1;
        }
    }

    fn rest(&self, attempt: u32) {
        std::thread::sleep(self.pause * 2_u32.pow(attempt));
    }

    fn failed(&self, action: &'static str, object: &Object, error: Error) -> RemoteError {
        explain(&self.place, action, &object.to_string(), error)
    }

    fn put(&self, object: &Object, bytes: &[u8], mode: PutMode) -> Result<(), Error> {
        let (key, payload) = (self.key(&object.to_string()), PutPayload::from(bytes.to_vec()));
        let options = PutOptions::from(mode);
        self.once(move |client| async move { client.put_opts(&key, payload, options).await.map(drop) })
    }

    /// Writes a file whatever is there.
    fn overwrite(&self, object: &Object, bytes: &[u8]) -> Result<(), RemoteError> {
        let mut attempt = 1;
        loop {
            match self.put(object, bytes, PutMode::Overwrite) {
                Ok(()) => return Ok(()),
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => self.rest(attempt),
                Err(error) => return Err(self.failed("write", object, error)),
            }
            attempt += 1;
        }
    }
}

/// The client holds the credentials, so it is not shown.
impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Bucket").field(&self.place).finish()
    }
}

impl Remote for Bucket {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn size(&self, object: &Object) -> Result<Option<u64>, RemoteError> {
        let key = self.key(&object.to_string());
        let head = self.ask(|client| {
            let key = key.clone();
            async move { client.head(&key).await }
        });
        match head {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look for", object, error)),
        }
    }

    fn read(&self, object: &Object, limit: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let key = self.key(&object.to_string());
        // The inner error is the size of a file that is too large.
        let answer = self.ask(|client| {
            let key = key.clone();
            async move {
                let found = client.get_opts(&key, GetOptions::default()).await?;
                match found.meta.size {
                    size if size > limit => Ok(Err(size)),
                    _ => Ok(Ok(found.bytes().await?)),
                }
            }
        });
        match answer {
            Ok(Ok(bytes)) => Ok(Some(bytes.to_vec())),
            Ok(Err(size)) => Err(RemoteError::TooLarge {
                place: self.place(),
                object: object.to_string(),
                size,
                limit,
            }),
            Err(error @ Error::NotFound { .. }) => match self.failed("read", object, error) {
                error @ RemoteError::NoBucket { .. } => Err(error),
                _ => Ok(None),
            },
            Err(error) => Err(self.failed("read", object, error)),
        }
    }

    fn fetch(&self, blob: &FileDigest, size: u64, sink: &mut Sink<'_>) -> Result<bool, RemoteError> {
        match size {
            0 => Ok(self.size(&Object::Blob(*blob))?.is_some()),
            size => self.fetch_pieces(blob, size, sink),
        }
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<Created, RemoteError> {
        let mut attempt = 1;
        loop {
            if !self.conditional.load(Ordering::Relaxed) {
                // Without conditional writes the later of two writers wins; both results are valid.
                if self.size(object)?.is_some() {
                    return Ok(Created::Existed);
                }
                return self.overwrite(object, bytes).map(|()| Created::New);
            }
            let error = match self.put(object, bytes, PutMode::Create) {
                Ok(()) => return Ok(Created::New),
                Err(error) if is_not_implemented(&error) || (self.learning && is_not_understood(&error)) => {
                    self.conditional.store(false, Ordering::Relaxed);
                    continue;
                }
                Err(error) => error,
            };
            // Whatever the server says, what is there decides: 409 may mean that nothing landed, and after a lost
            // answer the file found there may be one's own.
            if !matches!(error, Error::AlreadyExists { .. }) && !is_passing(&error) {
                return Err(self.failed("create", object, error));
            }
            match self.read(object, object.limit())? {
                Some(there) if there == bytes => return Ok(Created::New),
                Some(_) => return Ok(Created::Existed),
                None if attempt < ATTEMPTS => self.rest(attempt),
                None => return Err(self.failed("create", object, error)),
            }
            attempt += 1;
        }
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), RemoteError> {
        self.overwrite(object, bytes)
    }

    fn upload(&self, blob: &FileDigest, path: &FilePath, size: u64) -> Result<(), RemoteError> {
        match size > SINGLE {
            true => self.upload_parts(&Object::Blob(*blob), path, size),
            false => self.upload_whole(&Object::Blob(*blob), path, size),
        }
    }

    fn mend(&self, blob: &FileDigest, path: &FilePath, size: u64) -> Result<(), RemoteError> {
        self.upload_again(&Object::Blob(*blob), path, size)
    }

    fn list(&self, folder: &str) -> Result<Listing, RemoteError> {
        self.list_pages(folder, Some("/"))
    }

    fn list_below(&self, folder: &str) -> Result<Listing, RemoteError> {
        self.list_pages(folder, None)
    }

    fn replaces(&self) -> bool {
        !self.conditional.load(Ordering::Relaxed)
    }

    fn remove_canary(&self, object: &Object) -> Result<(), RemoteError> {
        let key = self.key(&object.to_string());
        let removed = self.ask(|client| {
            let key = key.clone();
            async move { client.delete(&key).await }
        });
        removed.map_err(|error| self.failed("remove", object, error))
    }
}
