//! Any serializable value as a [`Value`].

use std::collections::BTreeMap;

use ciborium::Value as Cbor;
use serde::Serialize;

use super::value::{CanonicalError, Value};

impl Value {
    /// Converts a serializable value; `f32` becomes the `f64` of the same number, integer map keys become text.
    ///
    /// # Errors
    /// [`CanonicalError`] if the value holds not a number, an integer beyond 64 bits or a map key of another type.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, CanonicalError> {
        let cbor = Cbor::serialized(value).map_err(CanonicalError::Serialize)?;
        convert(cbor, "")
    }
}

fn convert(cbor: Cbor, path: &str) -> Result<Value, CanonicalError> {
    Ok(match cbor {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Integer(number) => {
            let wide = i128::from(number);
            match i64::try_from(wide) {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Uint(u64::try_from(wide).map_err(|_| CanonicalError::IntegerRange {
                    path: path.to_owned(),
                    value: wide,
                })?),
            }
        }
        Cbor::Float(number) if number.is_nan() => return Err(CanonicalError::NotANumber(path.to_owned())),
        Cbor::Float(number) => Value::Float(number),
        Cbor::Text(text) => Value::Text(text),
        Cbor::Bytes(bytes) => Value::Bytes(bytes),
        Cbor::Array(items) => {
            let place = join(path, "[]");
            Value::List(
                items
                    .into_iter()
                    .map(|item| convert(item, &place))
                    .collect::<Result<_, _>>()?,
            )
        }
        Cbor::Map(entries) => {
            let mut map = BTreeMap::new();
            for (key, item) in entries {
                let key = match key {
                    Cbor::Text(text) => text,
                    Cbor::Integer(number) => i128::from(number).to_string(),
                    _ => return Err(CanonicalError::MapKey(path.to_owned())),
                };
                let item = convert(item, &join(path, &key))?;
                if map.contains_key(&key) {
                    return Err(CanonicalError::DuplicateKey {
                        path: path.to_owned(),
                        key,
                    });
                }
                map.insert(key, item);
            }
            Value::Map(map)
        }
        _ => return Err(CanonicalError::Unsupported(path.to_owned())),
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Serialize)]
    enum Scheduler {
        Ddpm,
        Ddim { eta: f32 },
        Steps(u8),
    }

    #[derive(Serialize)]
    struct Settings {
        seed: u64,
        guidance: f64,
        name: Option<&'static str>,
        schedulers: Vec<Scheduler>,
        by_step: HashMap<u32, i8>,
    }

    fn settings() -> Settings {
        Settings {
            seed: u64::MAX,
            guidance: 7.0,
            name: None,
            schedulers: vec![Scheduler::Ddpm, Scheduler::Ddim { eta: 0.5 }, Scheduler::Steps(3)],
            by_step: HashMap::from([(10, -1), (2, 1)]),
        }
    }

    #[test]
    fn every_shape_of_data_has_its_place() {
        let expected = Value::map([
            ("seed", Value::Uint(u64::MAX)),
            ("guidance", Value::Float(7.0)),
            ("name", Value::Null),
            (
                "schedulers",
                Value::List(vec![
                    "Ddpm".into(),
                    Value::map([("Ddim", Value::map([("eta", Value::Float(0.5))]))]),
                    Value::map([("Steps", Value::Int(3))]),
                ]),
            ),
            (
                "by_step",
                Value::map([("10", Value::Int(-1)), ("2", Value::Int(1))]),
            ),
        ]);
        assert_eq!(Value::from_serialize(&settings()).unwrap(), expected);
    }

    #[test]
    fn what_has_no_canonical_form_is_refused_with_its_place() {
        let nan = HashMap::from([("eta", vec![f32::NAN])]);
        assert!(matches!(Value::from_serialize(&nan), Err(CanonicalError::NotANumber(p)) if p == "eta.[]"));
        assert!(matches!(
            Value::from_serialize(&(i128::from(i64::MIN) - 1)),
            Err(CanonicalError::IntegerRange { .. } | CanonicalError::Unsupported(_))
        ));
        let pairs = BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(
            Value::from_serialize(&pairs),
            Err(CanonicalError::MapKey(_))
        ));
    }

    #[test]
    fn json_values_convert_as_they_are() {
        let json: serde_json::Value = serde_json::from_str(r#"{"a":[1,2.0,null,"x",true]}"#).unwrap();
        let expected = Value::map([(
            "a",
            vec![
                Value::Int(1),
                Value::Float(2.0),
                Value::Null,
                "x".into(),
                true.into(),
            ]
            .into(),
        )]);
        assert_eq!(Value::from_serialize(&json).unwrap(), expected);
    }
}
