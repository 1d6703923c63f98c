//! Every setting of every stage is in its key, or is one of those that cannot change the result.

use std::collections::BTreeSet;

use mitune_store::Value;
use schemars::SchemaGenerator;
use serde_json::{Value as Json, json};

use crate::registry::StageSpec;
use crate::testing::trial::Trial;

/// Settings that are not in the key: references and paths, whose content is there in their place, and how work is cut
/// up.
const NOT_KEYED: &[(&str, &[&str])] = &[
    ("ingest", &[]),
    ("encode_images", &["model", "model_from", "shard_size"]),
    (
        "generate",
        &["adapter", "model", "model_from", "prompts", "shard_size"],
    ),
    (
        "score",
        &[
            "adapter",
            "candidates",
            "model",
            "model_from",
            // Must be empty.
            "negative_prompt",
            "shard_size",
        ],
    ),
    ("select", &["candidates", "evaluation", "scores"]),
    ("pair", &["candidates", "evaluation", "scores"]),
    ("weigh", &["candidates", "evaluation", "prompts", "scores"]),
    ("mix", &["selections"]),
    ("contrast", &["captions", "features", "selection"]),
    (
        "finetune",
        &[
            "adapter",
            "checkpoint_every",
            "contrasts",
            "features",
            "joint_with",
            "model",
            "model_from",
            "pairs",
            "selection",
            "weights",
        ],
    ),
    (
        "policy_gradient",
        &["adapter", "checkpoint_every", "model", "model_from", "prompts"],
    ),
    ("merge_adapters", &["adapters", "model", "model_from"]),
    ("merge_into_model", &["adapter", "model", "model_from"]),
    (
        "evaluate",
        &["baseline", "candidates", "model", "model_from", "scores"],
    ),
    (
        "judge",
        &[
            "candidates",
            "images",
            "model",
            "model_from",
            "pairs",
            "shard_size",
        ],
    ),
    ("compare", &["baseline", "prompts", "tables"]),
    ("agree", &["candidates", "evaluation", "scores"]),
    (
        "set_distance",
        &[
            "decoder",
            "images",
            "model",
            "model_from",
            "reference",
            "reference_folder",
            "shard_size",
        ],
    ),
    (
        "embed",
        &[
            "candidates",
            "images",
            "judge_model",
            "judge_model_from",
            "latents",
            "model",
            "model_from",
            "pairs",
            "selection",
            "shard_size",
            "weights",
        ],
    ),
    (
        "stylise",
        &[
            "candidates",
            "images",
            "latents",
            "model",
            "model_from",
            "selection",
            "shard_size",
        ],
    ),
    ("pretrain_autoencoder", &["training.checkpoint_every"]),
    (
        "pretrain_denoiser",
        &["autoencoder", "model_from", "training.checkpoint_every"],
    ),
    ("pretrain_judge", &["training.checkpoint_every"]),
];

/// Settings with which a stage can be made.
fn base(kind: &str) -> Json {
    let training = json!({"steps": 10, "batch_size": 4, "learning_rate": 0.001});
    match kind {
        "ingest" => json!({
            "source": {"inline": ["a", "b"]}, "sample": {"count": 2}, "split": {"test": {"count": 1}},
        }),
        "encode_images" => json!({
            "source": {"coco": {"annotations": "a", "images": "i"}}, "sample": {"count": 2},
        }),
        "generate" => json!({"prompts": "p"}),
        "score" | "evaluate" => json!({"candidates": "c"}),
        "judge" => json!({"candidates": "c", "judge": "shapes"}),
        "compare" => json!({"tables": ["t"], "column": "c"}),
        "agree" => json!({"candidates": "c", "columns": ["a", "b"]}),
        "set_distance" => json!({"images": ["a"], "reference_folder": "f", "metric": "fid", "model": "m"}),
        "embed" => json!({"candidates": "c", "judge_model": "m"}),
        "stylise" => json!({"candidates": "c", "style": "edge_sketch"}),
        "select" | "pair" => json!({"candidates": "c", "evaluation": "e", "scores": ["s"]}),
        "weigh" => json!({"candidates": "c", "evaluation": "e", "scores": ["s"], "prompts": "p"}),
        "mix" => json!({"selections": ["a", "b"], "shares": [0.5, 0.5]}),
        "contrast" => json!({"selection": "s"}),
        "finetune" => json!({"selection": "s"}),
        "policy_gradient" => json!({"prompts": "p", "judge": "shapes", "objective": {"kind": "dpok"}}),
        "merge_adapters" => json!({"adapters": ["a", "b"]}),
        "merge_into_model" => json!({"adapter": "a"}),
        "pretrain_autoencoder" => json!({"channels": [16, 16], "training": training}),
        "pretrain_judge" => json!({"training": training}),
        "pretrain_denoiser" => json!({"autoencoder": "a", "channels": [16, 16], "training": training}),
        _ => panic!("no settings for kind `{kind}`"),
    }
}

/// Other settings with which a stage can be made, for those that exclude each other.
fn further_bases(kind: &str) -> Vec<Json> {
    match kind {
        "finetune" => vec![
            json!({"objective": {"kind": "dpo"}, "pairs": ["p"]}),
            json!({"objective": {"kind": "gors"}, "weights": ["w"]}),
            json!({"objective": {"kind": "rpo"}, "pairs": ["p"], "features": ["f"]}),
            json!({"objective": {"kind": "hn_itm"}, "contrasts": ["c"]}),
        ],
        _ => Vec::new(),
    }
}

/// Values that fit one setting or another.
fn values() -> Vec<Json> {
    let numbers = [0, 1, 2, 3, 5, 24, 200, 600].map(|number| json!(number));
    let fractions = [0.125, 0.5, 0.75, 1.5].map(|number| json!(number));
    let lists = [
        json!(["z"]),
        json!(["brightness"]),
        json!([32, 32]),
        json!([2, 5]),
        json!([1.0, 3.0]),
    ];
    let objects = [
        json!({"inline": ["c"]}),
        json!({"diffusiondb": "z"}),
        json!({"count": 1}),
        json!({"fraction": 0.5}),
        json!({"kind": "structured"}),
        json!({"kind": "sft"}),
        json!({"kind": "ddpo"}),
        json!("shapes_objects"),
        json!("z"),
        json!(""),
    ];
    let flags = [json!(true), json!(false)];
    [&numbers[..], &fractions, &lists, &objects, &flags].concat()
}

/// Settings that stand in place of `candidates`.
const OTHER_TABLES: [&str; 5] = ["selection", "pairs", "weights", "latents", "images"];

/// The schema behind references and alternatives with null.
fn resolved<'a>(schema: &'a Json, definitions: &'a Json) -> &'a Json {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return resolved(&definitions[name], definitions);
    }
    let choice = |name: &str| schema[name].as_array()?.iter().find(|one| one["type"] != "null");
    match choice("anyOf").or_else(|| choice("allOf")) {
        Some(one) => resolved(one, definitions),
        None => schema,
    }
}

/// The settings below a schema by their dotted names, each with the names that its schema lists.
fn settings(schema: &Json, definitions: &Json, prefix: &str) -> Vec<(String, Vec<Json>)> {
    let fields = schema["properties"].as_object();
    let below = fields.into_iter().flatten().flat_map(|(name, field)| {
        let (name, field) = (format!("{prefix}{name}"), resolved(field, definitions));
        match field["properties"].is_object() {
            true => settings(field, definitions, &format!("{name}.")),
            false => vec![(name, listed(field))],
        }
    });
    below.collect()
}

/// The values that a schema lists.
fn listed(schema: &Json) -> Vec<Json> {
    let mut found: Vec<Json> = schema["enum"].as_array().into_iter().flatten().cloned().collect();
    found.extend(schema.get("const").cloned());
    found.extend(schema["oneOf"].as_array().into_iter().flatten().flat_map(listed));
    found
}

fn with(settings: &Json, name: &str, value: &Json) -> Json {
    let mut settings = settings.clone();
    if name == "judges" {
        // It stands in place of the other.
        settings["judge"] = Json::Null;
    }
    if name == "reference" {
        // As here.
        settings["reference_folder"] = Json::Null;
    }
    if OTHER_TABLES.contains(&name) && settings["candidates"].is_string() {
        // As here.
        settings["candidates"] = Json::Null;
    }
    if name == "judge_model_from" {
        // As here.
        settings["judge_model"] = Json::Null;
    }
    let pointer = format!("/{}", name.replace('.', "/"));
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parents = parent.split('/').skip(1);
    let mut place = &mut settings;
    for name in parents {
        place = &mut place[name];
    }
    place[last] = value.clone();
    settings
}

/// The keyed settings of a stage, if it can be made.
fn config(trial: &Trial, kind: &str, settings: &Json) -> Option<Value> {
    let spec = StageSpec::deserialize(kind, settings.clone()).ok()?;
    Some(spec.build(&trial.defaults).ok()?.config().unwrap())
}

#[test]
fn every_setting_is_keyed_or_cannot_change_the_result() {
    let mut trial = Trial::new();
    trial.defaults.model = Some("model".into());
    let mut generator = SchemaGenerator::default();
    let schemas = StageSpec::schemas(&mut generator);
    let definitions = json!(generator.definitions());
    for (kind, schema) in schemas {
        let bases = [vec![base(kind)], further_bases(kind)].concat();
        let keyed = |base: &Json| config(&trial, kind, base).unwrap_or_else(|| panic!("{kind}"));
        let bases: Vec<(Json, Value)> = bases
            .into_iter()
            .map(|base| (base.clone(), keyed(&base)))
            .collect();
        let mut not_keyed = BTreeSet::new();
        for (name, listed) in settings(schema.as_value(), &definitions, "") {
            let values = [listed, values()].concat();
            let mut is_keyed = Vec::new();
            for (base, keyed) in &bases {
                let changed = values
                    .iter()
                    .filter(|value| base.pointer(&format!("/{}", name.replace('.', "/"))) != Some(value))
                    .filter_map(|value| config(&trial, kind, &with(base, &name, value)));
                is_keyed.extend(changed.map(|changed| changed != *keyed));
            }
            assert!(!is_keyed.is_empty(), "no value for `{name}` of `{kind}`");
            if !is_keyed.contains(&true) {
                not_keyed.insert(name);
            }
        }
        let expected = NOT_KEYED.iter().find(|(name, _)| *name == kind).unwrap().1;
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(not_keyed, expected, "{kind}");
    }
}
