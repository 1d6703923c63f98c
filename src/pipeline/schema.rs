//! The JSON schema of pipeline files, for editors.

use std::borrow::Cow;

use mitune_stages::registry::StageSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::alternatives::WHEN;
use super::spec::{ForEach, PipelineSpec, RoundStageBlock, StageBlock, Vars, Version};

/// Makes the JSON schema of pipeline files from the types that read them.
pub fn schema() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<PipelineSpec>();
    schema.insert("title".to_owned(), json!("mitune pipeline"));
    let mut schema = schema.to_value();
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, definition) in definitions {
            if !OUTSIDE_OF_STAGES.contains(&name.as_str()) {
                allow_variables(definition);
            }
        }
    }
    schema
}

/// Definitions of what takes no variables, or has its own place for them.
const OUTSIDE_OF_STAGES: [&str; 7] = [
    "ForEach",
    "ReportSpec",
    "RoundStages",
    "RoundsSpec",
    "Stage",
    "Stages",
    "Vars",
];

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}

impl JsonSchema for Vars {
    fn schema_name() -> Cow<'static, str> {
        "Vars".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9_-]*$" },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

impl JsonSchema for ForEach {
    fn schema_name() -> Cow<'static, str> {
        "ForEach".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let value = json_schema!({ "type": ["string", "number", "boolean"] });
        json_schema!({
            "oneOf": [
                {
                    "type": "object",
                    "additionalProperties": { "type": "array", "items": value, "minItems": 1 },
                },
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "with": { "type": ["object", "string", "number", "boolean"] } },
                        "additionalProperties": {
                            "anyOf": [value, { "type": "array", "items": value, "minItems": 1 }],
                        },
                        "minProperties": 1,
                    },
                    "minItems": 1,
                },
            ],
        })
    }
}

impl JsonSchema for StageBlock {
    fn schema_name() -> Cow<'static, str> {
        "Stages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        block(generator)
    }
}

impl JsonSchema for RoundStageBlock {
    fn schema_name() -> Cow<'static, str> {
        "RoundStages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        block(generator)
    }
}

fn block(generator: &mut SchemaGenerator) -> Schema {
    let stage = generator.subschema_for::<Stage>();
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9_-]*$" },
        "additionalProperties": { "anyOf": [stage, { "type": "array", "items": stage, "minItems": 1 }] },
    })
}

/// The settings of a stage of any kind.
struct Stage;

impl JsonSchema for Stage {
    fn schema_name() -> Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        stage(generator)
    }
}

fn stage(generator: &mut SchemaGenerator) -> Schema {
    let kinds: Vec<Value> = StageSpec::schemas(generator)
        .into_iter()
        .map(|(kind, settings)| {
            let mut settings = settings.to_value();
            allow_variables(&mut settings);
            with_kind(kind, settings)
        })
        .collect();
    match kinds.is_empty() {
        true => json_schema!({ "type": "object", "required": ["kind"] }),
        false => json_schema!({ "oneOf": kinds }),
    }
}

/// Adds the key that chooses the kind to the schema of its settings.
fn with_kind(kind: &str, mut settings: Value) -> Value {
    if let Some(object) = settings.as_object_mut() {
        let properties = object.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("kind".to_owned(), json!({ "const": kind }));
            properties.insert(WHEN.to_owned(), when());
        }
        let required = object.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.insert(0, json!("kind"));
        }
    }
    settings
}

/// Describes which arms have a stage.
fn when() -> Value {
    let value = json!({ "type": ["string", "number", "boolean"] });
    json!({
        "description": "Values of variables, or lists of them: the stage stands only where all variables have one of theirs. \
                        By default, everywhere.",
        "type": "object",
        "additionalProperties": { "anyOf": [value, { "type": "array", "items": value, "minItems": 1 }] },
    })
}

/// Allows a variable in place of every setting, however deep it stands; names of variants stay as they are.
fn allow_variables(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for (key, below) in object {
        match (key.as_str(), below) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(or_variable);
            }
            ("items" | "additionalProperties", below @ Value::Object(_)) => or_variable(below),
            ("oneOf" | "anyOf" | "allOf", Value::Array(choices)) => {
                choices.iter_mut().for_each(allow_variables);
            }
            _ => {}
        }
    }
}

/// Allows a variable in place of a setting, and in what is below it.
fn or_variable(setting: &mut Value) {
    allow_variables(setting);
    if setting.get("const").is_some() {
        return;
    }
    let description = setting.get("description").cloned();
    *setting = json!({ "anyOf": [setting, { "type": "string", "pattern": "\\$\\{[^}]+\\}" }] });
    if let Some(description) = description {
        setting["description"] = description;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema of a setting by the path of its keys below a definition.
    fn setting<'s>(schema: &'s Value, definition: &str, key: &str) -> &'s Value {
        &schema["$defs"][definition]["properties"][key]
    }

    #[test]
    fn variables_stand_wherever_a_stage_has_a_value() {
        let schema = schema();
        let takes_variables = |setting: &Value| setting["anyOf"][1]["pattern"].is_string();
        assert!(takes_variables(setting(&schema, "SamplerConfig", "guidance")));
        let stages = schema["$defs"]["Stage"]["oneOf"].as_array().unwrap();
        let generate = stages
            .iter()
            .find(|stage| stage["properties"]["kind"]["const"] == "generate")
            .unwrap();
        assert!(takes_variables(&generate["properties"]["seed"]));
        assert!(!takes_variables(setting(&schema, "RoundsSpec", "count")));
        assert!(!takes_variables(&schema["properties"]["name"]));
    }
}
