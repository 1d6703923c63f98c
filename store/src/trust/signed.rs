//! Signatures of records.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::key::{PublicKey, SecretKey};
use crate::canonical::{self, CanonicalError, Value};
use crate::error::StoreError;
use crate::names::{hex, unhex};

const FIELD: &str = "sig";
const CHECK: &str = "check";

/// Who vouches for a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSignature {
    /// The key of the one who signed.
    pub key: PublicKey,
    /// The signature of the record without this field and without `check`.
    pub signature: SignatureBytes,
}

/// The 64 bytes of a signature, written as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes([u8; 64]);

impl Serialize for SignatureBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for SignatureBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = unhex(&text).ok_or_else(|| serde::de::Error::custom("a signature has 128 digits"))?;
        Ok(Self(bytes))
    }
}

/// What a record says about who vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voucher {
    Nobody,
    Key(PublicKey),
    /// A signature that does not hold.
    Broken,
}

/// Signs a record, for the hash domain of its kind.
pub(crate) fn sign(
    key: &SecretKey,
    domain: &str,
    record: &impl Serialize,
) -> Result<RecordSignature, StoreError> {
    let mut json = serde_json::to_value(record).map_err(StoreError::unwritten)?;
    let message = message(domain, &mut json)?;
    Ok(RecordSignature {
        key: key.public(),
        signature: SignatureBytes(key.sign(&message)),
    })
}

/// Finds out who vouches for the record in these bytes, unknown fields included.
pub(crate) fn voucher(domain: &str, bytes: &[u8]) -> Voucher {
    let Ok(mut json) = serde_json::from_slice::<Json>(bytes) else {
        return Voucher::Broken;
    };
    let Some(field) = json.get(FIELD).cloned() else {
        return Voucher::Nobody;
    };
    let (Ok(signature), Ok(message)) = (
        serde_json::from_value::<RecordSignature>(field),
        message(domain, &mut json),
    ) else {
        return Voucher::Broken;
    };
    match signature.key.verifies(&message, &signature.signature.0) {
        true => Voucher::Key(signature.key),
        false => Voucher::Broken,
    }
}

/// Makes the signed bytes: the domain, so that no record passes for one of another kind, and the canonical record.
fn message(domain: &str, json: &mut Json) -> Result<Vec<u8>, CanonicalError> {
    if let Json::Object(fields) = json {
        fields.remove(FIELD);
        fields.remove(CHECK);
    }
    let mut message = domain.as_bytes().to_vec();
    message.push(0);
    message.extend(canonical::encode(&Value::from_serialize(json)?)?);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::domain::{SIGNED_ACTION, SIGNED_SHARD};
    use crate::records::sealed::seal;

    #[test]
    fn a_signature_holds_for_the_whole_record_and_its_kind() {
        let key = SecretKey::generate().unwrap();
        let mut record =
            json!({ "v": 1, "key": "a", "metrics": { "loss": 0.25, "count": 3 }, "later": [1.0] });
        assert_eq!(
            voucher(SIGNED_ACTION, &seal("x", &record).unwrap()),
            Voucher::Nobody
        );
        let signature = sign(&key, SIGNED_ACTION, &record).unwrap();
        record[FIELD] = serde_json::to_value(&signature).unwrap();
        let good = seal("x", &record).unwrap();
        assert_eq!(voucher(SIGNED_ACTION, &good), Voucher::Key(key.public()));
        assert_eq!(voucher(SIGNED_SHARD, &good), Voucher::Broken, "another kind");

        // Whoever changes something can make a new check, but no new signature.
        let changes: [&dyn Fn(&mut Json); 6] = [
            &|record| record["metrics"]["loss"] = json!(0.125),
            &|record| record["key"] = json!("b"),
            &|record| record["later"] = json!([1]),
            &|record| record["more"] = json!(null),
            &|record| record[FIELD]["key"] = json!(SecretKey::generate().unwrap().public()),
            &|record| record[FIELD]["signature"] = json!("00".repeat(64)),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = record.clone();
            change(&mut changed);
            let bytes = seal("x", &changed).unwrap();
            assert_eq!(voucher(SIGNED_ACTION, &bytes), Voucher::Broken, "change {number}");
        }
        for text in [&b""[..], b"{", b"[]", b"{\"sig\":1}", b"{\"sig\":null}"] {
            let found = voucher(SIGNED_ACTION, text);
            assert!(!matches!(found, Voucher::Key(_)), "{found:?}");
        }
        let spaced = String::from_utf8(good).unwrap().replace('\n', "\n\n");
        assert_eq!(
            voucher(SIGNED_ACTION, spaced.as_bytes()),
            Voucher::Key(key.public())
        );
    }
}
