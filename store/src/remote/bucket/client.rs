//! The client of a bucket, made from settings and the user's credentials.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::{BackoffConfig, ClientOptions, Error, RetryConfig};

use super::super::Credentials;

/// What a bucket is reached with.
#[derive(Debug)]
pub(crate) struct BucketOptions {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) checksums: bool,
    pub(crate) creates_once: Option<bool>,
    /// Longest silence of a server that was reached.
    pub(crate) silence: Duration,
    /// First pause before a request is repeated; it doubles each time.
    pub(crate) pause: Duration,
}

impl BucketOptions {
    pub(crate) fn new(bucket: String, prefix: String, credentials: Credentials) -> Self {
        Self {
            bucket,
            prefix,
            endpoint: None,
            region: None,
            credentials,
            checksums: false,
            creates_once: None,
            // Also runs while 64 MiB go up, so lines down to 3 Mbit/s are served.
            silence: Duration::from_secs(180),
            pause: Duration::from_millis(100),
        }
    }

    /// Names the bucket for messages.
    pub(crate) fn place(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        let server = self.endpoint.as_deref().map(|endpoint| format!(" at {endpoint}"));
        let server = server.unwrap_or_default();
        format!("Bucket `s3://{}{slash}{}`{server}", self.bucket, self.prefix)
    }

    pub(super) fn client(&self) -> Result<AmazonS3, Error> {
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.credentials.variables {
            let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() else {
                continue;
            };
            // The settings of the remote say where it is; the environment says who the user is.
            let elsewhere = match key {
                AmazonS3ConfigKey::Bucket | AmazonS3ConfigKey::ConditionalPut => true,
                AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint => self.endpoint.is_some(),
                AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion => self.region.is_some(),
                _ => false,
            };
            if !elsewhere {
                builder = builder.with_config(key, value);
            }
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if self.checksums {
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        let endpoint = builder
            .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
            .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(plain)
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout_disabled()
            .with_read_timeout(self.silence);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: self.pause,
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: Duration::from_secs(60),
        };
        builder
            .with_bucket_name(&self.bucket)
            .with_client_options(client)
            .with_retry(retry)
            .with_disable_bulk_delete(true)
            .build()
    }
}
