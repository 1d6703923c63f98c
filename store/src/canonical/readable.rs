//! Values as readable JSON, and back without loss.
//!
//! JSON lacks bytes and infinities, so a map with one key that begins with `$` stands for them; a real key that
//! begins with `$` is written with a second one.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::Value;

const BYTES: &str = "$bytes";
const FLOAT: &str = "$float";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Uint(number) => serializer.serialize_u64(*number),
            Self::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Float(number) if number.is_nan() => {
                Err(serde::ser::Error::custom("not a number has no JSON form"))
            }
            Self::Float(number) => tagged(serializer, FLOAT, if *number > 0.0 { "inf" } else { "-inf" }),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                tagged(serializer, BYTES, &hex)
            }
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, item) in entries {
                    if key.starts_with('$') {
                        map.serialize_entry(&format!("${key}"), item)?;
                    } else {
                        map.serialize_entry(key, item)?;
                    }
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a canonical value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, item)) = map.next_entry::<String, Value>()? {
            if key == BYTES || key == FLOAT {
                if !entries.is_empty() || map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom(format!("`{key}` stands beside other keys")));
                }
                return untag(&key, item).map_err(de::Error::custom);
            }
            let key = match key.strip_prefix('$') {
                Some(rest) if rest.starts_with('$') => rest.to_owned(),
                Some(_) => return Err(de::Error::custom(format!("unknown marker `{key}`"))),
                None => key,
            };
            if entries.contains_key(&key) {
                return Err(de::Error::custom(format!("key `{key}` appears twice")));
            }
            entries.insert(key, item);
        }
        Ok(Value::Map(entries))
    }
}

fn tagged<S: Serializer>(serializer: S, tag: &str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, text)?;
    map.end()
}

fn untag(tag: &str, item: Value) -> Result<Value, String> {
    let Value::Text(text) = item else {
        return Err(format!("`{tag}` takes a text"));
    };
    match (tag, text.as_str()) {
        (FLOAT, "inf") => Ok(Value::Float(f64::INFINITY)),
        (FLOAT, "-inf") => Ok(Value::Float(f64::NEG_INFINITY)),
        (BYTES, hex) => bytes_from_hex(hex)
            .map(Value::Bytes)
            .ok_or_else(|| format!("`{hex}` is not pairs of hexadecimal digits")),
        _ => Err(format!("unknown `{tag}`: `{text}`")),
    }
}

fn bytes_from_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2)
        || !hex
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|start| u8::from_str_radix(&hex[start..start + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_lacks_is_marked_and_real_keys_escape_the_mark() {
        let value = Value::map([
            ("data", Value::Bytes(vec![0, 255])),
            ("max", Value::Float(f64::INFINITY)),
            ("odd", Value::map([("$bytes", Value::Text("ff".into()))])),
        ]);
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(
            text,
            r#"{"data":{"$bytes":"00ff"},"max":{"$float":"inf"},"odd":{"$$bytes":"ff"}}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn ambiguous_json_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"$bytes":"0"}"#,
            r#"{"$bytes":"0G"}"#,
            r#"{"$bytes":"00","x":1}"#,
            r#"{"x":1,"$bytes":"00"}"#,
            r#"{"$float":"nan"}"#,
            r#"{"$other":1}"#,
        ] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        assert!(serde_json::to_string(&Value::Float(f64::NAN)).is_err());
    }
}
