//! `mitune judge`

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use mitune_stages::contract::Dtype;
use mitune_stages::contract::setting_limits::MOST_IN_BATCH;
use mitune_stages::device::DeviceSelection;
use mitune_stages::judge::given_pairs::{DEFAULT_BATCH, Judged, JudgedPair, JudgedPairs};
use mitune_stages::judge::image_sets::{ImageSets, Resampling, SetJudge, SetsDistance};
use mitune_stages::judges::{
    AestheticSettings, BlipVqaJudgeSettings, CaptionForm, ClipPreprocessing, ClipScoreSettings, HpsSettings,
    ImageRewardSettings, JudgeKind, PickScoreSettings, QuestionStart, ResizeLibrary,
};
use serde_json::{Value, json};

use super::generate::NumberFormat;
use crate::engine::Interrupt;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{RunDisplay, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct JudgeArguments {
    /// Who judges: images with their prompts, or, with fid, fd-dino and cmmd, one folder of images against another
    #[arg(long, value_name = "KIND")]
    pub(crate) judge: Kind,

    /// Folder of the judge's model, with the files as they are published
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// CSV or Parquet file with the columns image and prompt
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,

    /// Parquet file to write; one that is there is replaced when all scores are known
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Folder of images, for distances of sets
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,

    /// Folder of images that they are compared with
    #[arg(long, value_name = "DIR")]
    pub(crate) reference: Option<PathBuf>,

    /// Number of resamples that the interval of a distance is made of [default: none, without an interval]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(2..=100_000))]
    pub(crate) resamples: Option<u32>,

    /// Images that go through the network together
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = DEFAULT_BATCH, value_parser = value_parser!(u32).range(1..=i64::from(MOST_IN_BATCH)))]
    pub(crate) batch_size: u32,

    /// Number format of the computation
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: NumberFormat,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceSelection,
}

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    ClipScore,
    Pickscore,
    Hpsv2,
    ImageReward,
    AestheticV1,
    AestheticV2,
    BlipVqa,
    Fid,
    FdDino,
    Cmmd,
}

/// Options that do not go together.
#[derive(Debug, thiserror::Error)]
enum JudgeArgumentsError {
    #[error("`--judge {kind}` needs `{option}`")]
    Missing { kind: String, option: &'static str },
    #[error("`--judge {kind}` does not take `{option}`")]
    Needless { kind: String, option: &'static str },
}

impl Kind {
    /// The name as it is typed.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn needs<T: Clone>(self, option: &'static str, value: &Option<T>) -> Result<T, Failure> {
        value.clone().ok_or_else(|| {
            let kind = self.name();
            Failure::usage(JudgeArgumentsError::Missing { kind, option })
        })
    }

    fn takes_no<T>(self, option: &'static str, value: &Option<T>) -> Result<(), Failure> {
        match value {
            None => Ok(()),
            Some(_) => {
                let kind = self.name();
                Err(Failure::usage(JudgeArgumentsError::Needless { kind, option }))
            }
        }
    }
}

pub(crate) fn run(arguments: &JudgeArguments, session: &Session<'_>) -> Result<(), Failure> {
    match set_judge(arguments.judge) {
        Some(judge) => compare_sets(arguments, judge, session),
        None => judge_pairs(arguments, session),
    }
}

fn set_judge(kind: Kind) -> Option<SetJudge> {
    match kind {
        Kind::Fid => Some(SetJudge::Fid),
        Kind::FdDino => Some(SetJudge::FdDino),
        Kind::Cmmd => Some(SetJudge::Cmmd),
        _ => None,
    }
}

/// The judge of a kind with the settings of the papers.
fn pair_judge(arguments: &JudgeArguments) -> JudgeKind {
    let (model, name) = (arguments.model.clone(), None);
    let dtype = Dtype::from(arguments.dtype);
    match arguments.judge {
        Kind::Pickscore => JudgeKind::PickScore(PickScoreSettings {
            model,
            name,
            dtype,
            resized_by: ResizeLibrary::default(),
        }),
        Kind::Hpsv2 => JudgeKind::HpsV2(HpsSettings {
            model,
            name,
            dtype,
            version: None,
            antialias: true,
        }),
        Kind::ImageReward => JudgeKind::ImageReward(ImageRewardSettings { model, name, dtype }),
        Kind::AestheticV1 => JudgeKind::AestheticV1(AestheticSettings { model, name, dtype }),
        Kind::AestheticV2 => JudgeKind::AestheticV2(AestheticSettings { model, name, dtype }),
        Kind::BlipVqa => JudgeKind::BlipVqa(BlipVqaJudgeSettings {
            model,
            name,
            dtype,
            image_side: 480,
            first_token: QuestionStart::default(),
        }),
        _ => JudgeKind::ClipScore(ClipScoreSettings {
            model,
            name,
            dtype,
            form: CaptionForm::default(),
            preprocessing: ClipPreprocessing::default(),
        }),
    }
}

fn judge_pairs(arguments: &JudgeArguments, session: &Session<'_>) -> Result<(), Failure> {
    let kind = arguments.judge;
    kind.takes_no("--images", &arguments.images)?;
    kind.takes_no("--reference", &arguments.reference)?;
    kind.takes_no("--resamples", &arguments.resamples)?;
    let plan = JudgedPairs {
        judge: pair_judge(arguments),
        device: arguments.device,
        batch_size: batch_size(arguments),
        pairs: kind.needs("--pairs", &arguments.pairs)?,
        out: kind.needs("--out", &arguments.out)?,
    };
    let interrupt = Interrupt::listen()?;
    let judged = plan
        .judge(&RunDisplay::of_command("judge"), interrupt.cancelled())
        .map_err(|error| Failure::from(error).with_interrupt_code(interrupt.exit_code()))?;
    if session.json {
        return print_json(&pairs_document(&plan, &judged));
    }
    let (count, out) = (judged.pairs.len(), plan.out.display());
    let pairs = if count == 1 { "pair" } else { "pairs" };
    line(format!("{count} {pairs} judged into `{out}`"))
}

fn pairs_document(plan: &JudgedPairs, judged: &Judged) -> Value {
    let pair = |pair: &JudgedPair| json!({"image": pair.image, "prompt": pair.prompt, "score": pair.score});
    json!({
        "table": plan.out.to_string_lossy(),
        "device": judged.device,
        "pairs": judged.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}

fn compare_sets(arguments: &JudgeArguments, judge: SetJudge, session: &Session<'_>) -> Result<(), Failure> {
    let kind = arguments.judge;
    kind.takes_no("--pairs", &arguments.pairs)?;
    kind.takes_no("--out", &arguments.out)?;
    let plan = ImageSets {
        judge,
        model: arguments.model.clone(),
        device: arguments.device,
        dtype: arguments.dtype.into(),
        batch_size: batch_size(arguments),
        images: kind.needs("--images", &arguments.images)?,
        reference: kind.needs("--reference", &arguments.reference)?,
        resampling: arguments.resamples.map(|replicates| Resampling {
            replicates: replicates as usize,
            ..Resampling::default()
        }),
    };
    let interrupt = Interrupt::listen()?;
    let found = plan
        .distance(&RunDisplay::of_command("judge"), interrupt.cancelled())
        .map_err(|error| Failure::from(error).with_interrupt_code(interrupt.exit_code()))?;
    if session.json {
        return print_json(&sets_document(kind, &found));
    }
    let SetsDistance {
        distance,
        images,
        reference,
        ..
    } = found;
    let interval = found
        .estimate
        .map(|estimate| format!(", from {:.6} to {:.6}", estimate.low, estimate.high));
    line(format!(
        "{} {distance:.6}{}, {images} images against {reference}",
        kind.name(),
        interval.unwrap_or_default()
    ))
}

fn sets_document(kind: Kind, found: &SetsDistance) -> Value {
    let mut document = json!({
        "judge": kind.name(),
        "distance": found.distance,
        "images": found.images,
        "reference": found.reference,
        "device": found.device,
    });
    if let Some(estimate) = found.estimate {
        document["interval"] = json!({
            "low": estimate.low,
            "high": estimate.high,
            "standard_error": estimate.standard_error,
            "resampled_mean": estimate.resampled_mean,
        });
    }
    document
}

fn batch_size(arguments: &JudgeArguments) -> NonZeroU32 {
    NonZeroU32::new(arguments.batch_size).unwrap_or(NonZeroU32::MIN)
}
