//! Who computed a shard.

use mitune_store::Producer;

use crate::contract::{Dtype, StageContext};

/// Describes this process for the records of the store.
pub fn producer(context: &StageContext<'_>, dtype: Option<Dtype>) -> Producer {
    Producer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: context.device_name(),
        dtype: dtype.map(|dtype| dtype.name().to_owned()),
        host: None,
    }
}
