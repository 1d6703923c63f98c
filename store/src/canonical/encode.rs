//! Deterministic CBOR (RFC 8949, section 4.2.1), with one tightening: every float takes 64 bits.

use super::value::{CanonicalError, Value};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;

/// Encodes a value: shortest integers and lengths, map keys in the order of their encodings, floats by their 64 bits.
///
/// # Errors
/// [`CanonicalError::NotANumber`] if a float is not a number.
pub fn encode(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut bytes = Vec::new();
    append(value, &mut Vec::new(), &mut bytes)?;
    Ok(bytes)
}

fn append<'v>(value: &'v Value, path: &mut Vec<&'v str>, bytes: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(false) => bytes.push(0xf4),
        Value::Bool(true) => bytes.push(0xf5),
        Value::Int(number) => match u64::try_from(*number) {
            Ok(number) => append_head(UNSIGNED, number, bytes),
            Err(_) => append_head(NEGATIVE, !number.cast_unsigned(), bytes),
        },
        Value::Uint(number) => append_head(UNSIGNED, *number, bytes),
        Value::Float(number) => {
            if number.is_nan() {
                return Err(CanonicalError::NotANumber(path.join(".")));
            }
            bytes.push(0xfb);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Value::Text(text) => append_text(text, bytes),
        Value::Bytes(data) => {
            append_head(BYTES, data.len() as u64, bytes);
            bytes.extend_from_slice(data);
        }
        Value::List(items) => {
            append_head(LIST, items.len() as u64, bytes);
            path.push("[]");
            for item in items {
                append(item, path, bytes)?;
            }
            path.pop();
        }
        Value::Map(map) => {
            append_head(MAP, map.len() as u64, bytes);
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| (key.len(), key.as_str()));
            for (key, item) in entries {
                append_text(key, bytes);
                path.push(key);
                append(item, path, bytes)?;
                path.pop();
            }
        }
    }
    Ok(())
}

fn append_text(text: &str, bytes: &mut Vec<u8>) {
    append_head(TEXT, text.len() as u64, bytes);
    bytes.extend_from_slice(text.as_bytes());
}

fn append_head(major: u8, number: u64, bytes: &mut Vec<u8>) {
    let big_endian = number.to_be_bytes();
    let (additional, skipped) = match number {
        0..24 => {
            bytes.push(major << 5 | big_endian[7]);
            return;
        }
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    bytes.push(major << 5 | additional);
    bytes.extend_from_slice(&big_endian[skipped..]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("not a number", |f| !f.is_nan())
                .prop_map(Value::Float),
            ".*".prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(3, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::btree_map("\\$?[a-z$]{0,30}", inner, 0..6).prop_map(Value::Map),
            ]
        })
    }

    /// Rebuilds a value from an independent CBOR decoder.
    fn from_ciborium(value: ciborium::Value) -> Value {
        match value {
            ciborium::Value::Null => Value::Null,
            ciborium::Value::Bool(b) => Value::Bool(b),
            ciborium::Value::Integer(i) => match i64::try_from(i) {
                Ok(small) => Value::Int(small),
                Err(_) => Value::Uint(u64::try_from(i).unwrap()),
            },
            ciborium::Value::Float(f) => Value::Float(f),
            ciborium::Value::Text(t) => Value::Text(t),
            ciborium::Value::Bytes(b) => Value::Bytes(b),
            ciborium::Value::Array(items) => Value::List(items.into_iter().map(from_ciborium).collect()),
            ciborium::Value::Map(entries) => Value::map(
                entries
                    .into_iter()
                    .map(|(k, v)| (k.into_text().unwrap(), from_ciborium(v))),
            ),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn an_independent_decoder_reads_the_same_value(value in values()) {
            let bytes = encode(&value).unwrap();
            let decoded: ciborium::Value = ciborium::from_reader(bytes.as_slice()).unwrap();
            prop_assert_eq!(from_ciborium(decoded), value);
        }

        #[test]
        fn readable_json_keeps_the_encoding(value in values()) {
            let text = serde_json::to_string(&value).unwrap();
            let back: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(encode(&back).unwrap(), encode(&value).unwrap());
        }

        #[test]
        fn equal_numbers_encode_alike_and_others_do_not(a: u32, b: u32) {
            let int = encode(&Value::Int(i64::from(a))).unwrap();
            prop_assert_eq!(&int, &encode(&Value::Uint(u64::from(a))).unwrap());
            prop_assert_ne!(&int, &encode(&Value::Float(f64::from(a))).unwrap());
            prop_assert_eq!(a == b, int == encode(&Value::from(b)).unwrap());
        }
    }

    #[test]
    fn examples_of_rfc_8949_appendix_a() {
        let examples: [(Value, &str); 20] = [
            (Value::Int(0), "00"),
            (Value::Int(23), "17"),
            (Value::Int(24), "1818"),
            (Value::Int(100), "1864"),
            (Value::Int(1000), "1903e8"),
            (Value::Int(1_000_000), "1a000f4240"),
            (Value::Int(1_000_000_000_000), "1b000000e8d4a51000"),
            (Value::Uint(u64::MAX), "1bffffffffffffffff"),
            (Value::Int(-1), "20"),
            (Value::Int(-10), "29"),
            (Value::Int(-100), "3863"),
            (Value::Int(-1000), "3903e7"),
            (Value::Float(1.1), "fb3ff199999999999a"),
            (Value::Float(-4.1), "fbc010666666666666"),
            (Value::Bool(false), "f4"),
            (Value::Bool(true), "f5"),
            (Value::Null, "f6"),
            (Value::Bytes(vec![1, 2, 3, 4]), "4401020304"),
            (Value::Text("\u{6c34}".into()), "63e6b0b4"),
            (
                Value::map([
                    ("a", Value::Int(1)),
                    ("b", vec![Value::Int(2), Value::Int(3)].into()),
                ]),
                "a26161016162820203",
            ),
        ];
        for (value, expected) in examples {
            let bytes = encode(&value).unwrap();
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, expected, "{value:?}");
        }
    }

    #[test]
    fn shorter_keys_come_first() {
        let map = BTreeMap::from([("aa".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Int(2))]);
        assert_eq!(encode(&Value::Map(map)).unwrap(), b"\xa2\x61b\x02\x62aa\x01");
    }

    #[test]
    fn not_a_number_is_refused_with_its_place() {
        let value = Value::map([(
            "sampler",
            Value::map([("eta", vec![Value::Float(f64::NAN)].into())]),
        )]);
        let error = encode(&value).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Not a number at `sampler.eta.[]` cannot be part of a key"
        );
    }
}
