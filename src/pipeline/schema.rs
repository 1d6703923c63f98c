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
    schema.to_value()
}

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
        .map(|(kind, settings)| with_kind(kind, or_variable(settings.to_value())))
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

/// Allows a variable in place of every setting.
fn or_variable(mut settings: Value) -> Value {
    if let Some(properties) = settings.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            let description = property.get("description").cloned();
            *property = json!({ "anyOf": [property, { "type": "string", "pattern": "\\$\\{[^}]+\\}" }] });
            if let Some(description) = description {
                property["description"] = description;
            }
        }
    }
    settings
}
