//! Features of images, computed once for each image and kept in shards.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use burn::tensor::FloatDType;
use mitune_judges::clip_judges::Execution;
use mitune_judges::pair_judge::too_narrow;
use mitune_store::{FamilyKey, ItemKey, ItemRow, Value};

use super::picture_source::{Decoder, NamedPicture, PictureSource};
use super::stage::{NETWORK, REFERENCE_FOLDER, SetDistance};
use crate::contract::{ItemFamily, StageContext, StageError};
use crate::items::item_blocks::{Block, ItemTable};
use crate::items::producer::producer;
use crate::items::prompt_labels::parts;
use crate::judge::image_sets::features::FeatureNetwork;
use crate::models::loaded_model::check_dtype;
use crate::models::model_source::float_dtype;
use crate::tables::columns::{f32_list, list_column};

/// The column of features.
const COLUMN: &str = "features";

/// Features that are none.
#[derive(Debug, thiserror::Error)]
enum FeaturesError {
    #[error("The network gave features of {found} of {images} images")]
    Lost { images: usize, found: usize },
    #[error("The network gives no numbers for {image}{}", too_narrow(*dtype))]
    NotFinite { image: String, dtype: FloatDType },
}

/// Makes features of images that the store does not have yet; what it needs for that is loaded when it is first needed.
pub(super) struct Features<'a> {
    stage: &'a SetDistance,
    context: &'a StageContext<'a>,
    schema: SchemaRef,
    family: FamilyKey,
    decoder: Decoder<'a>,
    network: Option<FeatureNetwork>,
}

/// The features of one set, image by image in its order.
pub(super) struct StoredFeatures {
    pub(super) names: Vec<NamedPicture>,
    rows: Vec<ItemRow>,
}

/// One set on its way through the network.
struct Worker<'s, 'a> {
    features: &'s mut Features<'a>,
    source: &'s mut PictureSource<'a>,
    items: Vec<ItemKey>,
    /// Items that the store had or that were computed.
    known: HashSet<ItemKey>,
    /// Rows that were computed to fill the batch of another one.
    ahead: HashMap<usize, RecordBatch>,
}

impl<'a> Features<'a> {
    /// Derives the family of the features: neither metric nor sets nor reference are in it.
    ///
    /// # Errors
    /// [`StageError::Canonical`] if it has no canonical encoding, [`StageError::Configuration`] if the device does not work.
    pub(super) fn new(stage: &'a SetDistance, context: &'a StageContext<'a>) -> Result<Self, StageError> {
        let settings = &stage.config;
        let config = Value::map([
            ("network", Value::from(settings.metric.network())),
            ("preprocessing", stage.keyed_preprocessing()?),
            ("batch_size", Value::from(settings.batch_size.get())),
        ]);
        let family = ItemFamily {
            item_ports: &["images", "reference"],
            ..ItemFamily::default()
        };
        let family = context.part_family_key(config, &|name: &str| name != REFERENCE_FOLDER, &family)?;
        // Opened before the records say on what was computed.
        context.device()?;
        let element = Field::new_list_field(DataType::Float32, true);
        let column = Field::new(COLUMN, DataType::List(Arc::new(element)), false);
        Ok(Self {
            stage,
            context,
            schema: Arc::new(Schema::new(vec![column])),
            family,
            decoder: Decoder::new(stage, context),
            network: None,
        })
    }

    /// Computes what the store lacks of the features of a set.
    ///
    /// # Errors
    /// Those of [`ItemTable::compute_rows`], and errors of reading and decoding that name the image.
    pub(super) fn of(&mut self, mut source: PictureSource<'a>) -> Result<StoredFeatures, StageError> {
        let (context, schema, family) = (self.context, Arc::clone(&self.schema), self.family);
        let names = source.names(&family)?;
        let blocks = names.iter().enumerate().map(|(row, name)| Block {
            work: row,
            prompt_id: String::new(),
            items: vec![name.item],
        });
        let blocks: Vec<Block<usize>> = blocks.collect();
        let items: Vec<ItemKey> = names.iter().map(|name| name.item).collect();
        let wanted: HashSet<ItemKey> = items.iter().copied().collect();
        let stored = context
            .store()
            .shards()
            .rows_of_items(&family, &schema, &wanted)?;
        let dtype = self.stage.config.dtype;
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.stage.config.shard_size.get() as usize,
            unit: "images",
        };
        let mut worker = Worker {
            features: self,
            source: &mut source,
            items,
            known: stored.into_keys().collect(),
            ahead: HashMap::new(),
        };
        let rows = table.compute_rows(context, &producer(context, Some(dtype)), &blocks, |row| {
            worker.compute(*row)
        })?;
        Ok(StoredFeatures { names, rows })
    }

    /// Reads the features of a set, one image after the other.
    ///
    /// # Errors
    /// An error of the store, or what `each` returns.
    pub(super) fn read(
        &self,
        stored: &StoredFeatures,
        mut each: impl FnMut(&NamedPicture, &[f32]) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let mut names = stored.names.iter();
        for batch in self
            .context
            .store()
            .artifacts()
            .read_rows(&self.schema, &parts(&stored.rows), None)?
        {
            self.context.check_cancelled()?;
            let batch = batch?;
            let lists = list_column(&batch, COLUMN).map_err(StageError::failed)?;
            for (row, name) in (0..batch.num_rows()).zip(names.by_ref()) {
                let features = f32_list(lists, COLUMN, row).map_err(StageError::failed)?;
                each(name, &features)?;
            }
        }
        Ok(())
    }

    fn network(&mut self) -> Result<&FeatureNetwork, StageError> {
        let network = match self.network.take() {
            Some(network) => network,
            None => self.load()?,
        };
        let network: &FeatureNetwork = self.network.insert(network);
        Ok(network)
    }

    fn load(&self) -> Result<FeatureNetwork, StageError> {
        let (context, settings) = (self.context, &self.stage.config);
        let device = context.device()?;
        check_dtype(device, &context.device_name().unwrap_or_default(), settings.dtype)?;
        let execution = Execution {
            device: device.clone(),
            dtype: float_dtype(settings.dtype),
            batch: NonZeroUsize::try_from(settings.batch_size).unwrap_or(NonZeroUsize::MIN),
        };
        let judge = settings.metric.judge();
        let (network, digest) = FeatureNetwork::open_digested(judge, &self.stage.network, execution)?;
        let changed = || StageError::Changed {
            input: NETWORK.to_owned(),
        };
        context.check_external(NETWORK, digest.ok_or_else(changed)?)?;
        Ok(network)
    }
}

impl Worker<'_, '_> {
    fn compute(&mut self, wanted: usize) -> Result<RecordBatch, StageError> {
        // What lies before was computed by another process meanwhile.
        self.ahead.retain(|row, _| *row >= wanted);
        if let Some(known) = self.ahead.remove(&wanted) {
            return Ok(known);
        }
        let rows = self.together(wanted);
        let pictures = self.source.read(&rows, &mut self.features.decoder)?;
        let network = self.features.network()?;
        let features = network.features(&pictures, |item| self.source.name_of(rows[item]))?;
        let dtype = float_dtype(self.features.stage.config.dtype);
        if let Some(row) = broken(&rows, &features).map_err(StageError::failed)? {
            let image = self.source.name_of(row);
            return Err(StageError::failed(FeaturesError::NotFinite { image, dtype }));
        }
        let batch = batch(&self.features.schema, &features).map_err(StageError::failed)?;
        for (place, row) in rows.into_iter().enumerate() {
            self.ahead.insert(row, batch.slice(place, 1));
        }
        Ok(self.ahead.remove(&wanted).unwrap_or(batch))
    }

    /// The row that is wanted, and those behind it that fill the batch: an empty place costs as much as an image. They are
    /// of the same portion, which another process that shares the work leaves alone.
    fn together(&mut self, wanted: usize) -> Vec<usize> {
        let settings = &self.features.stage.config;
        let (batch, shard) = (
            settings.batch_size.get() as usize,
            settings.shard_size.get() as usize,
        );
        let end = (wanted / shard + 1).saturating_mul(shard).min(self.items.len());
        let mut rows = vec![wanted];
        self.known.insert(self.items[wanted]);
        for row in wanted + 1..end {
            if rows.len() == batch {
                break;
            }
            if self.known.insert(self.items[row]) {
                rows.push(row);
            }
        }
        rows
    }
}

/// Looks at features before they are kept, for the first row whose features are no numbers.
fn broken(rows: &[usize], features: &[Vec<f32>]) -> Result<Option<usize>, FeaturesError> {
    if features.len() != rows.len() {
        return Err(FeaturesError::Lost {
            images: rows.len(),
            found: features.len(),
        });
    }
    let is_broken = |features: &Vec<f32>| features.iter().any(|value| !value.is_finite());
    let mut numbered = rows.iter().zip(features);
    Ok(numbered
        .find(|(_, features)| is_broken(features))
        .map(|(row, _)| *row))
}

fn batch(schema: &SchemaRef, features: &[Vec<f32>]) -> Result<RecordBatch, ArrowError> {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in features {
        lists.append_value(row.iter().copied().map(Some));
    }
    RecordBatch::try_new(schema.clone(), vec![Arc::new(lists.finish())])
}
