//! Signatures of records.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::key::{PublicKey, SecretKey, hex, unhex};
use crate::canonical::{self, CanonicalError, Value};
use crate::error::StoreError;

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
    let mut json = serde_json::to_value(record).map_err(|source| StoreError::Json {
        action: "write",
        source,
    })?;
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
