//! What a judge of images is.

use std::borrow::Cow;
use std::num::NonZeroU32;

use mitune_judges::picture::Picture;
use mitune_store::{ContentDigest, Value};
use serde::{Deserialize, Serialize};

use crate::contract::setting_defaults::nonzero;
use crate::contract::{Dtype, ExternalDigests, StageContext, StageError};
use crate::models::candidate_images::OnlySize;

/// A judge before its weights are loaded: what it says, and everything that determines that.
///
/// Equal [`name`](Judge::name), [`revision`](Judge::revision), [`settings`](Judge::settings) and
/// [`external`](Judge::external) promise equal judgements of equal images.
pub trait Judge: Send + Sync {
    /// Names the judge; the names of its columns begin with it.
    fn name(&self) -> &str;

    /// Counts changes of meaning, as [`Stage::revision`](crate::contract::Stage::revision) does.
    fn revision(&self) -> u32;

    /// Lists what it says of each image.
    fn columns(&self) -> &[JudgedColumn];

    /// Returns the settings that change what it says, without paths, for the keys. By default, none.
    ///
    /// # Errors
    /// [`StageError`] if a setting has no canonical form.
    fn settings(&self) -> Result<Value, StageError> {
        Ok(Value::Null)
    }

    /// Digests its files, for the keys, which know it by [`external_name`]. By default, it has none.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if a file is missing or is not what it should be.
    fn external(&self, digests: &dyn ExternalDigests) -> Result<Option<ContentDigest>, StageError> {
        let _ = digests;
        Ok(None)
    }

    /// Returns how many images it likes to be asked about together. By default, 8.
    fn batch_size(&self) -> NonZeroU32 {
        nonzero::<8>()
    }

    /// Returns the number format that it computes in. By default none: it computes on no device.
    fn dtype(&self) -> Option<Dtype> {
        None
    }

    /// Tells whether it computes on the device. By default, if it has a number format.
    fn needs_device(&self) -> bool {
        self.dtype().is_some()
    }

    /// Tells whether a batch costs the same however few images are in it, so that those of several prompts are judged
    /// together. By default, if it computes on the device.
    fn fills_batches(&self) -> bool {
        self.needs_device()
    }

    /// Tells whether it asks about the noun phrases of a prompt, which a table of pairs may have. By default, it does not.
    fn asks_about_phrases(&self) -> bool {
        false
    }

    /// Returns the only size of images that it reads. By default, it reads any.
    fn only_size(&self) -> Option<OnlySize> {
        None
    }

    /// Checks that it understands a prompt; all prompts are asked about before anything is computed. By default, it
    /// understands any.
    ///
    /// # Errors
    /// [`StageError::Configuration`] that names the prompt.
    fn check_prompt(&self, prompt: &str) -> Result<(), StageError> {
        let _ = prompt;
        Ok(())
    }

    /// Loads the weights, to be asked about at most `batch_size` images at once. What was read is compared with [`external`](Judge::external) by
    /// [`StageContext::check_external`], by the name [`external_name`].
    ///
    /// # Errors
    /// [`StageError`] if they cannot be loaded, or changed.
    fn open(
        &self,
        context: &StageContext<'_>,
        batch_size: NonZeroU32,
    ) -> Result<Box<dyn OpenJudge>, StageError>;
}

/// What keys call the files of a judge; no stage and no key calls anything else so.
pub fn external_name(judge: &str) -> String {
    format!("judge_{judge}")
}

/// A judge that is ready to judge.
pub trait OpenJudge {
    /// Judges at most a batch of images; returns for each of them one value per column, in the order of the columns.
    ///
    /// What it says of an image must not depend on its neighbours: one that computes on tensors fills up the batch, so
    /// that its shape is always the same.
    ///
    /// # Errors
    /// [`StageError`] if an image cannot be judged.
    fn judge(&self, images: &[JudgedImage<'_>]) -> Result<Vec<Vec<JudgedValue>>, StageError>;

    /// Judges as [`judge`](OpenJudge::judge) does, with the noun phrases to ask about where an image has them, in the
    /// order of the images. By default, phrases mean nothing.
    ///
    /// # Errors
    /// As [`judge`](OpenJudge::judge).
    fn judge_phrases(
        &self,
        images: &[JudgedImage<'_>],
        phrases: &[Option<&[String]>],
    ) -> Result<Vec<Vec<JudgedValue>>, StageError> {
        let _ = phrases;
        self.judge(images)
    }
}

/// An image with its prompt.
#[derive(Clone, Copy, Debug)]
pub struct JudgedImage<'a> {
    /// The prompt's text.
    pub prompt: &'a str,
    /// The image, with what its file says beside its colours.
    pub image: &'a Picture,
}

/// A column of what a judge says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JudgedColumn {
    /// Its name: that of the judge, and what sets it apart from the judge's other columns.
    pub name: Cow<'static, str>,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column of a judge holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A finite number for every image, higher for better ones.
    HigherIsBetter,
    /// A finite number for every image, lower for better ones.
    LowerIsBetter,
    /// A word, or none.
    Word,
}

/// What a judge says of an image in one column.
#[derive(Clone, Debug, PartialEq)]
pub enum JudgedValue {
    /// A number.
    Number(f64),
    /// A word, or none.
    Word(Option<String>),
}
