//! The range of every number that a pipeline may set, so that a slip is refused before anything is worked out from it.
//!
//! Each is far beyond what a run can use and far below what fills a memory, takes days to count to or overflows. What
//! several settings need together is judged in [`crate::contract::demand`].

/// The values that a setting may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Whole numbers.
    Whole(u64, u64),
    /// Any numbers.
    Real(f64, f64),
    /// A list of at most this many entries.
    Entries(usize),
}

/// Largest number of candidates of a prompt: more than any selection looks through.
pub const MOST_CANDIDATES: u32 = 1_000_000;

/// Largest number of examples that are computed together: more than any device holds.
pub const MOST_IN_BATCH: u32 = 4_096;

/// Largest side of an image in pixels.
pub const LARGEST_SIDE: u32 = 16_384;

/// Largest number of denoising steps, and of timesteps of a schedule.
pub const MOST_TIMESTEPS: u32 = 1_000_000;

/// Largest number of noises at each timestep of a score.
pub const MOST_NOISES: u32 = 10_000;

/// Largest number of judges of one stage: more than there are.
pub const MOST_JUDGES: usize = 100;

/// Largest number of arms that are compared: more than any table or page of a comparison tells.
pub const MOST_ARMS: usize = 1_000;

/// Largest number of columns whose agreement is measured: every two of them are compared, either way.
pub const MOST_AGREEING: usize = 16;

/// Largest number of rounds.
pub const MOST_ROUNDS: u32 = 10_000;

const SEED: Range = Range::Whole(0, u64::MAX);
const ROWS: Range = Range::Whole(1, u32::MAX as u64);
const COUNT: Range = Range::Whole(0, u32::MAX as u64);
const BATCH: Range = Range::Whole(1, MOST_IN_BATCH as u64);
const SIDE: Range = Range::Whole(1, LARGEST_SIDE as u64);
const SHARD: Range = Range::Whole(1, 1_000_000);
const TIMESTEP: Range = Range::Whole(0, MOST_TIMESTEPS as u64);
const UPDATES: Range = Range::Whole(1, 100_000_000);
const UPDATES_OR_NONE: Range = Range::Whole(0, 100_000_000);
const SHARE: Range = Range::Real(0.0, 1.0);
const FACTOR: Range = Range::Real(0.0, 1e6);
/// Numbers that others are divided by in f32, whose quotients must stay numbers.
const DIVISOR: Range = Range::Real(1e-6, 1e6);
/// What keeps a divisor above 0, which f32 would take for 0 below.
const EPSILON: Range = Range::Real(1e-37, 1e6);
const WIDTH: Range = Range::Whole(1, 16_384);
const FINITE: Range = Range::Real(f64::MIN, f64::MAX);

type Limits = &'static [(&'static str, Range)];

/// Every numeric setting of every kind of stage; `*` stands for the position in a list.
const LIMITS: &[(&str, Limits)] = &[
    (
        "ingest",
        &[
            ("source.diffusiondb.max_prompt_nsfw", FACTOR),
            ("source.diffusiondb.max_image_nsfw", FACTOR),
            ("source.diffusiondb.min_width", COUNT),
            ("source.diffusiondb.max_width", COUNT),
            ("source.diffusiondb.min_height", COUNT),
            ("source.diffusiondb.max_height", COUNT),
            ("source.diffusiondb.min_steps", COUNT),
            ("source.diffusiondb.max_steps", COUNT),
            ("source.diffusiondb.min_guidance", FACTOR),
            ("source.diffusiondb.max_guidance", FACTOR),
            ("source.diffusiondb.min_characters", COUNT),
            ("source.diffusiondb.max_characters", COUNT),
            ("source.diffusiondb.min_images", COUNT),
            ("source.shapes.split_seed", SEED),
            ("source.shapes.test_groups", Range::Whole(1, 89)),
            ("sample.count", ROWS),
            ("sample.seed", SEED),
            ("split.test.count", ROWS),
            ("split.test.fraction", SHARE),
            ("split.seed", SEED),
        ],
    ),
    (
        "encode_images",
        &[
            (
                "source.shapes.images_per_prompt",
                Range::Whole(1, MOST_CANDIDATES as u64),
            ),
            ("source.shapes.seed", SEED),
            ("source.shapes.split_seed", SEED),
            ("source.shapes.test_groups", Range::Whole(1, 89)),
            ("limit", ROWS),
            ("sample.count", ROWS),
            ("sample.seed", SEED),
            ("size", SIDE),
            ("seed", SEED),
            ("shard_size", SHARD),
        ],
    ),
    (
        "generate",
        &[
            ("candidates_per_prompt", Range::Whole(1, MOST_CANDIDATES as u64)),
            ("first_seed_index", COUNT),
            ("seed", SEED),
            ("sampler.steps", Range::Whole(1, MOST_TIMESTEPS as u64)),
            ("sampler.guidance", Range::Real(-1e6, 1e6)),
            ("sampler.eta", SHARE),
            ("guidance_method.scale", FACTOR),
            ("guidance_method.scale_range.*", FACTOR),
            ("guidance_method.guided_share", SHARE),
            ("guidance_method.thresholds", Range::Entries(1_000)),
            ("guidance_method.thresholds.*.after", SHARE),
            ("guidance_method.thresholds.*.attention", SHARE),
            ("guidance_method.refinements", Range::Whole(0, 10_000)),
            ("guidance_method.smoothing", FACTOR),
            ("guidance_method.attention_ratio", WIDTH),
            ("guidance_method.low", FACTOR),
            ("guidance_method.high", FACTOR),
            ("guidance_method.cap", FACTOR),
            ("guidance_method.finest_ratio", WIDTH),
            ("guidance_method.coarsest_ratio", WIDTH),
            ("mutual_information.min_timestep", TIMESTEP),
            ("mutual_information.max_timestep", TIMESTEP),
            ("height", SIDE),
            ("width", SIDE),
            ("batch_size", BATCH),
            ("shard_size", SHARD),
        ],
    ),
    (
        "score",
        &[
            ("timesteps.first", TIMESTEP),
            ("timesteps.last", TIMESTEP),
            ("timesteps.count", Range::Whole(1, MOST_TIMESTEPS as u64)),
            ("noises", Range::Whole(1, MOST_NOISES as u64)),
            ("seed", SEED),
            ("batch_size", BATCH),
            ("shard_size", SHARD),
        ],
    ),
    (
        "select",
        &[
            ("top_k", ROWS),
            ("ranks", Range::Entries(10_000)),
            ("ranks.*", ROWS),
            ("min_score", FINITE),
            ("seed", SEED),
        ],
    ),
    (
        "pair",
        &[
            ("pairs_per_prompt", ROWS),
            ("min_difference", Range::Real(0.0, f64::MAX)),
            ("seed", SEED),
        ],
    ),
    (
        "weigh",
        &[
            ("threshold", FINITE),
            ("threshold.template", FINITE),
            ("threshold.natural", FINITE),
            ("floor", Range::Real(0.0, f64::MAX)),
        ],
    ),
    (
        "mix",
        &[
            ("shares", Range::Entries(MOST_ARMS)),
            ("shares.*", SHARE),
            ("rows", ROWS),
            ("seed", SEED),
        ],
    ),
    (
        "contrast",
        &[
            ("negatives.image", SHARE),
            ("negatives.hard_text", SHARE),
            ("negatives.random_text", SHARE),
            ("nearest", ROWS),
            ("per_example", Range::Whole(1, 10_000)),
            ("seed", SEED),
        ],
    ),
    (
        "finetune",
        &[
            ("objective.beta", FACTOR),
            ("objective.alpha", Range::Real(1e-3, 100.0)),
            ("objective.scale", FACTOR),
            ("objective.tau", DIVISOR),
            ("objective.cap", FACTOR),
            ("rank", BATCH),
            ("alpha", FACTOR),
            ("text_encoder.learning_rate", FACTOR),
            ("optimizer.adafactor.epsilon", EPSILON),
            ("optimizer.adafactor.clip_threshold", FACTOR),
            ("optimizer.adafactor.decay_rate", Range::Real(-1e6, 0.0)),
            ("optimizer.adafactor.weight_decay", FACTOR),
            ("timesteps.first", TIMESTEP),
            ("timesteps.last", TIMESTEP),
            ("learning_rate", FACTOR),
            ("warmup", UPDATES_OR_NONE),
            ("optimizer.beta1", SHARE),
            ("optimizer.beta2", SHARE),
            ("optimizer.epsilon", EPSILON),
            ("optimizer.weight_decay", FACTOR),
            ("clip_norm", Range::Real(0.0, 1e12)),
            ("batch_size", Range::Whole(1, 1_000_000)),
            ("micro_batch", BATCH),
            ("steps", UPDATES),
            ("caption_dropout", SHARE),
            ("seed", SEED),
            ("init_seed", SEED),
            ("checkpoint_every", UPDATES),
        ],
    ),
    (
        "policy_gradient",
        &[
            ("judge.blip_vqa.image_side", Range::Whole(1, 4_096)),
            ("objective.reward_weight", Range::Real(0.0, 1e12)),
            ("objective.kl_weight", Range::Real(0.0, 1e12)),
            ("objective.clip", FACTOR),
            ("objective.buffer", Range::Whole(1, 10_000_000)),
            ("objective.policy_steps", Range::Whole(1, 1_000_000)),
            ("objective.batch_size", Range::Whole(1, 1_000_000)),
            ("objective.micro_batch", BATCH),
            ("objective.value_learning_rate", FACTOR),
            ("objective.value_batches", Range::Whole(1, 1_000_000)),
            ("objective.value_batch_size", Range::Whole(1, 1_000_000)),
            ("objective.largest_advantage", FACTOR),
            ("objective.epochs", Range::Whole(1, 1_000_000)),
            ("objective.history", Range::Whole(1, 1_000_000)),
            ("objective.min_count", Range::Whole(1, 1_000_000)),
            ("rank", BATCH),
            ("alpha", FACTOR),
            ("learning_rate", FACTOR),
            ("warmup", UPDATES_OR_NONE),
            ("optimizer.beta1", SHARE),
            ("optimizer.beta2", SHARE),
            ("optimizer.epsilon", EPSILON),
            ("optimizer.weight_decay", FACTOR),
            ("optimizer.adafactor.epsilon", EPSILON),
            ("optimizer.adafactor.clip_threshold", FACTOR),
            ("optimizer.adafactor.decay_rate", Range::Real(-1e6, 0.0)),
            ("optimizer.adafactor.weight_decay", FACTOR),
            ("clip_norm", Range::Real(0.0, 1e12)),
            ("iterations", UPDATES),
            ("rollouts_per_iteration", Range::Whole(1, 1_000_000)),
            ("samples_per_prompt", Range::Whole(1, 1_000_000)),
            ("sampler.steps", Range::Whole(1, MOST_TIMESTEPS as u64)),
            ("sampler.guidance", Range::Real(-1e6, 1e6)),
            ("sampler.eta", Range::Real(1e-3, 1.0)),
            ("height", SIDE),
            ("width", SIDE),
            ("sample_batch", BATCH),
            ("seed", SEED),
            ("init_seed", SEED),
            ("checkpoint_every", UPDATES),
        ],
    ),
    ("merge_adapters", &[("weights.*", Range::Real(-1e12, 1e12))]),
    ("merge_into_model", &[("scale", Range::Real(-1e6, 1e6))]),
    (
        "evaluate",
        &[
            ("bootstrap.replicates", Range::Whole(1, 1_000_000)),
            ("bootstrap.confidence", SHARE),
            ("bootstrap.seed", SEED),
            ("batch_size", BATCH),
        ],
    ),
    (
        "judge",
        &[
            ("judges", Range::Entries(MOST_JUDGES)),
            ("judge.blip_vqa.image_side", Range::Whole(1, 4_096)),
            ("judges.*.blip_vqa.image_side", Range::Whole(1, 4_096)),
            ("batch_size", BATCH),
            ("shard_size", SHARD),
        ],
    ),
    (
        "compare",
        &[
            ("tables", Range::Entries(MOST_ARMS)),
            ("names", Range::Entries(MOST_ARMS)),
            ("bootstrap.replicates", Range::Whole(1, 1_000_000)),
            ("bootstrap.confidence", SHARE),
            ("bootstrap.seed", SEED),
        ],
    ),
    (
        "agree",
        &[
            ("ranks", Range::Entries(10_000)),
            ("ranks.*", ROWS),
            ("bootstrap.replicates", Range::Whole(1, 1_000_000)),
            ("bootstrap.confidence", SHARE),
            ("bootstrap.seed", SEED),
        ],
    ),
    (
        "set_distance",
        &[
            ("images", Range::Entries(MOST_ARMS)),
            ("names", Range::Entries(MOST_ARMS)),
            ("resamples", Range::Whole(1, 1_000_000)),
            ("confidence", SHARE),
            ("seed", SEED),
            ("batch_size", BATCH),
            ("shard_size", SHARD),
        ],
    ),
    ("embed", &[("batch_size", BATCH), ("shard_size", SHARD)]),
    (
        "stylise",
        &[
            ("style.edge_sketch.threshold", Range::Real(0.0, 10_000.0)),
            ("style.edge_sketch.saturation", Range::Real(0.0, 10_000.0)),
            ("style.palette.colours", Range::Entries(256)),
            ("style.palette.colours.*.*", Range::Whole(0, 255)),
            ("style.palette.levels", Range::Whole(2, 256)),
            ("style.blur_and_snow.radius", Range::Whole(0, 256)),
            ("style.blur_and_snow.passes", Range::Whole(0, 16)),
            ("style.blur_and_snow.haze", SHARE),
            ("style.blur_and_snow.flakes", Range::Real(0.0, 10_000.0)),
            ("style.blur_and_snow.largest_flake", Range::Real(0.0, 256.0)),
            ("style.blur_and_snow.seed", SEED),
            ("batch_size", BATCH),
            ("shard_size", SHARD),
        ],
    ),
    (
        "pretrain_autoencoder",
        &[
            ("channels", Range::Entries(6)),
            ("channels.*", WIDTH),
            ("norm_groups", WIDTH),
            ("absolute_error", FACTOR),
            ("divergence", FACTOR),
            ("seed", SEED),
        ],
    ),
    (
        "pretrain_denoiser",
        &[
            ("channels", Range::Entries(6)),
            ("channels.*", WIDTH),
            ("layers_per_block", Range::Whole(1, 64)),
            ("norm_groups", WIDTH),
            ("heads", Range::Whole(1, 1_024)),
            ("text_width", WIDTH),
            ("text_layers", Range::Whole(1, 128)),
            ("context_length", Range::Whole(2, 4_096)),
            ("seed", SEED),
        ],
    ),
    (
        "pretrain_judge",
        &[
            ("width", WIDTH),
            ("heads", Range::Whole(1, 1_024)),
            ("vision_layers", Range::Whole(1, 128)),
            ("text_layers", Range::Whole(1, 128)),
            ("patch_size", Range::Whole(1, 32)),
            ("embedding_width", WIDTH),
            ("test_images", Range::Whole(1, 1_000_000)),
            ("seed", SEED),
        ],
    ),
];

/// What the kinds of training from nothing have, each as far as it has such a setting.
const PRETRAINING: Limits = &[
    ("data.seed", SEED),
    ("data.split_seed", SEED),
    ("data.test_groups", Range::Whole(1, 89)),
    ("data.captions.faithful", FACTOR),
    ("data.captions.missing_colour", FACTOR),
    ("data.captions.missing_object", FACTOR),
    ("data.captions.replaced_colour", FACTOR),
    ("data.captions.replaced_object", FACTOR),
    ("data.captions.swapped_colours", FACTOR),
    ("data.captions.unrelated", FACTOR),
    ("data.captions.empty", FACTOR),
    ("training.steps", UPDATES),
    ("training.batch_size", Range::Whole(1, 65_536)),
    ("training.learning_rate", FACTOR),
    ("training.warmup", UPDATES_OR_NONE),
    ("training.weight_decay", FACTOR),
    ("training.beta2", SHARE),
    ("training.clip_norm", Range::Real(0.0, 1e12)),
    ("training.average", SHARE),
    ("training.checkpoint_every", UPDATES),
];

/// The range of a setting of a kind of stage, by its path from the stage; nothing if it is no number.
pub fn range(kind: &str, path: &[&str]) -> Option<Range> {
    let own = LIMITS
        .iter()
        .find(|(name, _)| *name == kind)
        .map(|(_, limits)| *limits)?;
    let shared = if kind.starts_with("pretrain_") {
        PRETRAINING
    } else {
        &[]
    };
    let fits = |name: &str| {
        let mut steps = name.split('.');
        let all = path.iter().all(|step| match steps.next() {
            Some("*") => step.bytes().all(|byte| byte.is_ascii_digit()),
            known => known == Some(step),
        });
        all && steps.next().is_none()
    };
    own.iter()
        .chain(shared)
        .find(|(name, _)| fits(name))
        .map(|(_, range)| *range)
}

#[cfg(test)]
mod tests {
    use schemars::SchemaGenerator;
    use serde_json::Value;

    use super::*;
    use crate::registry::StageSpec;

    /// Collects the paths of all numbers below a schema.
    fn numbers(schema: &Value, definitions: &Value, path: &str, found: &mut Vec<String>) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap();
            return numbers(&definitions[name], definitions, path, found);
        }
        let is = |name: &str| match &schema["type"] {
            Value::Array(types) => types.iter().any(|kind| kind == name),
            kind => kind == name,
        };
        if is("integer") || is("number") {
            found.push(path.to_owned());
        }
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            numbers(property, definitions, &below(name), found);
        }
        if let Some(items) = schema.get("items") {
            numbers(items, definitions, &below("*"), found);
        }
        for choices in ["oneOf", "anyOf"] {
            for choice in schema[choices].as_array().into_iter().flatten() {
                numbers(choice, definitions, path, found);
            }
        }
    }

    #[test]
    fn every_number_of_every_kind_has_a_range_and_every_range_a_number() {
        let mut generator = SchemaGenerator::default();
        let schemas = StageSpec::schemas(&mut generator);
        let definitions = Value::Object(generator.take_definitions(true));
        for (kind, schema) in schemas {
            let mut found = Vec::new();
            numbers(&schema.to_value(), &definitions, "", &mut found);
            for path in &found {
                let steps: Vec<&str> = path
                    .split('.')
                    .map(|step| if step == "*" { "0" } else { step })
                    .collect();
                assert!(range(kind, &steps).is_some(), "{kind}: `{path}` has no range");
            }
            let own = LIMITS.iter().find(|(name, _)| *name == kind).unwrap().1;
            for (path, range) in own {
                let list = matches!(range, Range::Entries(_));
                assert!(
                    list || found.iter().any(|found| found == path),
                    "{kind}: there is no number `{path}`"
                );
            }
        }
        assert_eq!(range("generate", &["steps"]), None);
        assert_eq!(range("generate", &["sampler"]), None);
        assert_eq!(range("merge_adapters", &["weights", "x"]), None);
    }
}
