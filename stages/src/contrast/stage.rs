//! The stage that the settings make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mitune_store::{ContentDigest, Digest, Value};
use rayon::prelude::*;

use super::captions::{Captions, CaptionsError};
use super::config::{ContrastConfig, ContrastError};
use super::drawn::{Drawn, Negatives};
use super::images::{Image, read_images};
use super::nearest_images::NearestImages;
use super::other_images::Others;
use super::rows::rows;
use crate::contract::{
    Content, Digested, ExpectedTable, ExternalDigests, InputPort, KnownInputs, OutputPort, Stage,
    StageConfig, StageContext, StageDefaults, StageError, StageOutput, Work, keyed_config,
};
use crate::ingest::prompts::file_digest;
use crate::tables::contrasts::ContrastKind;
use crate::tables::features::read_features;
use crate::tables::schema;

/// What keys call the file of captions, as the setting does.
const CAPTIONS: &str = "captions";

/// Images whose contrasts are drawn before it is asked whether to stop.
const TOGETHER: usize = 256;

impl StageConfig for ContrastConfig {
    const KIND: &'static str = "contrast";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.check().map_err(StageError::configuration)?;
        self.seed.get_or_insert(defaults.seed);
        let captions = self.captions.as_deref().map(|path| defaults.resolve(path));
        Ok(Box::new(ContrastStage {
            config: self,
            captions,
            inputs: KnownInputs::default(),
        }))
    }
}

struct ContrastStage {
    config: ContrastConfig,
    captions: Option<PathBuf>,
    inputs: KnownInputs,
}

impl Stage for ContrastStage {
    fn kind(&self) -> &'static str {
        ContrastConfig::KIND
    }

    /// Counts changes of how hard texts are made, with those of the noun phrases behind them.
    fn revision(&self) -> u32 {
        mitune_judges::noun_phrases::REVISION
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["selection", "features", CAPTIONS])
    }

    fn inputs(&self) -> Vec<InputPort> {
        const SETS: &[Content] = &[Content::Selection, Content::Latents];
        let features = self.config.features.as_ref();
        vec![
            InputPort::one("selection", SETS, &self.config.selection),
            InputPort::optional("features", &[Content::Features], features),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "contrasts",
            content: Content::Contrasts,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        self.check_related().map_err(StageError::configuration)
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let Some(path) = &self.captions else {
            return Ok(BTreeMap::new());
        };
        let digest = digests.digest("bytes/1", &[path], &mut || bytes_digest(path))?;
        Ok(BTreeMap::from([(CAPTIONS.to_owned(), digest)]))
    }

    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        let images = rows("selection").unwrap_or(0);
        self.config.check_count(images).map_err(StageError::configuration)
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "contrasts").then(|| ExpectedTable {
            columns: schema::contrasts(),
            rows: rows("selection").map(|rows| rows.saturating_mul(u64::from(self.config.per_example.get()))),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let images = read_images(context.store(), context.input("selection")?)?;
        if images.is_empty() {
            let empty = ContrastError::Empty(self.inputs.name("selection"));
            return Err(StageError::configuration(empty));
        }
        context.progress().begin(Work {
            total: images.len() as u64,
            reused: 0,
            unit: "images",
        });
        let negatives = self.negatives(context, &images)?;
        let drawn = self.drawn(context, &negatives)?;
        let contrasts = context
            .store()
            .artifacts()
            .try_put_table(&schema::contrasts(), rows(&images, &drawn))?;
        Ok(report(
            StageOutput::one("contrasts", contrasts),
            images.len(),
            &drawn,
        ))
    }
}

impl ContrastStage {
    /// Checks that features are of the images, as far as is known where both come from.
    fn check_related(&self) -> Result<(), ContrastError> {
        let origin = |port: &str| self.inputs.of(port).first()?.candidates.clone();
        match (origin("features"), origin("selection")) {
            (Some(found), Some(expected)) if found != expected => Err(ContrastError::Unrelated {
                features: self.inputs.name("features"),
                found,
                selection: self.inputs.name("selection"),
                expected,
            }),
            _ => Ok(()),
        }
    }

    /// Reads what contrasts are drawn from.
    fn negatives<'a>(
        &self,
        context: &StageContext<'_>,
        images: &'a [Image],
    ) -> Result<Negatives<'a>, StageError> {
        let config = &self.config;
        let nearest = match context.optional_input("features") {
            Some(table) => {
                let features = read_features(context.store(), table).map_err(StageError::failed)?;
                let name = self.inputs.name("features");
                let nearest = NearestImages::of(images, &features, &name);
                Some(nearest.map_err(StageError::configuration)?)
            }
            None => None,
        };
        Ok(Negatives {
            images,
            others: Others::of(images),
            shares: config.negatives,
            nearest,
            most_nearest: config.nearest.get() as usize,
            captions: self.read_captions(context)?,
            seed: config.seed.unwrap_or_default(),
        })
    }

    fn read_captions(&self, context: &StageContext<'_>) -> Result<Option<Captions>, StageError> {
        let Some(path) = &self.captions else {
            return Ok(None);
        };
        let before = bytes_digest(path)?;
        context.check_external(CAPTIONS, before.digest)?;
        let captions = Captions::read(path).map_err(CaptionsError::in_stage);
        // A file that took the name for that moment alone is another one than both times.
        match bytes_digest(path)?.read == before.read {
            true => captions.map(Some),
            false => Err(StageError::Changed {
                input: CAPTIONS.to_owned(),
            }),
        }
    }

    /// Draws the contrasts of all images, in their order.
    fn drawn(&self, context: &StageContext<'_>, negatives: &Negatives<'_>) -> Result<Vec<Drawn>, StageError> {
        let each = self.config.per_example.get();
        let places: Vec<usize> = (0..negatives.images.len()).collect();
        let mut drawn = Vec::new();
        for places in places.chunks(TOGETHER) {
            context.check_cancelled()?;
            let found: Vec<Option<Vec<Drawn>>> = places
                .par_iter()
                .map(|&image| negatives.draw(image, each))
                .collect();
            for (&image, found) in places.iter().zip(found) {
                drawn.extend(found.ok_or_else(|| self.no_other(&negatives.images[image]))?);
            }
            context.progress().advance(places.len() as u64);
        }
        Ok(drawn)
    }

    fn no_other(&self, image: &Image) -> StageError {
        StageError::configuration(ContrastError::NoOther {
            prompt_id: image.prompt_id.clone(),
            selection: self.inputs.name("selection"),
        })
    }
}

fn bytes_digest(path: &Path) -> Result<Digested, StageError> {
    let read = file_digest(path).map_err(|error| CaptionsError::from(error).in_stage());
    let (hash, identity) = read?;
    Ok(Digested {
        digest: ContentDigest::new(Digest::from(hash)),
        read: vec![identity],
    })
}

/// Counts contrasts by kind, and those of another kind than was drawn because there was none of it.
fn report(output: StageOutput, images: usize, drawn: &[Drawn]) -> StageOutput {
    let of_kind = |kind: ContrastKind| drawn.iter().filter(|one| one.mismatch.kind() == kind).count();
    let replaced = |kind: ContrastKind| {
        let wanted = drawn.iter().filter(|one| one.wanted == kind);
        wanted.filter(|one| one.mismatch.kind() != kind).count()
    };
    let output = output
        .with_metric("images", images)
        .with_metric("contrasts", drawn.len());
    let output = ContrastKind::ALL.into_iter().fold(output, |output, kind| {
        output.with_metric(kind.name(), of_kind(kind))
    });
    output
        .with_metric("image_replaced", replaced(ContrastKind::Image))
        .with_metric("hard_text_replaced", replaced(ContrastKind::HardText))
}
