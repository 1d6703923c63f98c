//! The setting `style` as it is written: a name, or a name with settings.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

use super::style::{BlurAndSnowSettings, EdgeSketchSettings, PaletteSettings, Style};

/// The names of the styles.
const NAMES: &[&str] = &["edge_sketch", "palette", "blur_and_snow"];

/// Reads a style; a name alone stands for all defaults.
pub(super) fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Style, D::Error> {
    deserializer.deserialize_any(Written)
}

/// Describes both ways to write a style.
pub(super) fn style_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Style::json_schema(generator);
    if let Some(Value::Array(choices)) = schema.get_mut("oneOf") {
        choices.push(json!({
            "description": "A style with all its defaults.",
            "type": "string",
            "enum": NAMES,
        }));
    }
    schema
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Style;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("one of `edge_sketch`, `palette`, `blur_and_snow`, or one of them with its settings")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Style, E> {
        match name {
            "edge_sketch" => Ok(Style::EdgeSketch(EdgeSketchSettings::default())),
            "palette" => Ok(Style::Palette(PaletteSettings::default())),
            "blur_and_snow" => Ok(Style::BlurAndSnow(BlurAndSnowSettings::default())),
            other => Err(E::unknown_variant(other, NAMES)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<Style, A::Error> {
        let style = Style::deserialize(MapAccessDeserializer::new(&mut settings))?;
        match settings.next_key::<IgnoredAny>()? {
            None => Ok(style),
            Some(_) => Err(A::Error::invalid_length(2, &"one style")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_stands_for_all_defaults() {
        for name in NAMES {
            let short = written(json!(name)).unwrap();
            assert_eq!(short.name(), *name);
            assert_eq!(short, written(json!({ (*name): {} })).unwrap());
        }
        let set = written(json!({"palette": {"levels": 3}})).unwrap();
        let expected = PaletteSettings {
            levels: 3,
            ..PaletteSettings::default()
        };
        assert_eq!(set, Style::Palette(expected));
        for wrong in [
            json!("sketch"),
            json!(3),
            json!({"sketch": {}}),
            json!({"palette": {"level": 3}}),
            json!({"palette": {}, "edge_sketch": {}}),
        ] {
            assert!(written(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
