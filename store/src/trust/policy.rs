//! Whose records are taken.

use serde::{Deserialize, Serialize};

use super::key::PublicKey;
use super::signed::Voucher;

/// What becomes of records that nobody known vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unsigned {
    /// They are taken.
    Accept,
    /// They are taken, and it is said that there were some.
    Warn,
    /// They are refused.
    Deny,
}

/// Whose records are taken from a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Keys whose records are taken. With any key named, a record signed by another one is refused.
    pub trust: Vec<PublicKey>,
    /// What becomes of records without a signature, and of signed ones if no key is named.
    pub unsigned: Unsigned,
}

/// What somebody said about whose records are taken from a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySettings {
    /// Keys whose records are taken.
    #[serde(default)]
    pub trust: Vec<PublicKey>,
    /// What becomes of records that nobody trusted signed; `None` follows the keys that are trusted now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<Unsigned>,
}

impl PolicySettings {
    /// Returns the policy that follows now; the writers of a known place are taken at their word until a key is trusted.
    pub fn policy(&self, known_place: bool) -> Policy {
        let unsigned = match self.unsigned {
            Some(chosen) => chosen,
            None if known_place && self.trust.is_empty() => Unsigned::Warn,
            None => Unsigned::Deny,
        };
        Policy {
            trust: self.trust.clone(),
            unsigned,
        }
    }
}

/// Why a record is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Record `{record}` of the remote `{remote}` is refused: {reason}")]
pub struct Refusal {
    /// The remote.
    pub remote: String,
    /// The name of the record.
    pub record: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It cannot be read or contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It belongs under another name.
    #[error("it is the record of `{0}`")]
    OtherKey(String),
    /// Its key does not follow from its preimage.
    #[error("its preimage derives the key `{0}`")]
    Preimage(String),
    /// The signature does not hold: the record was changed, or signed as something else.
    #[error("its signature does not hold")]
    Signature,
    /// A key that is not trusted signed it.
    #[error("it is signed by `{0}`, which is not trusted")]
    UnknownKey(PublicKey),
    /// Nobody signed it.
    #[error("it is not signed")]
    Unsigned,
    /// A tombstone names it.
    #[error("it was disowned: {0}")]
    Disowned(String),
    /// A newer program wrote it.
    #[error("it has version {0}, which this program does not know")]
    Newer(u32),
}

impl Refusal {
    /// Says what a user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self.reason {
            Reason::UnknownKey(_) => {
                Some("`mitune key trust REMOTE KEY` trusts a key; ask its owner for it first")
            }
            Reason::Unsigned => {
                Some("`mitune remote set REMOTE --unsigned warn` takes records without signature")
            }
            _ => None,
        }
    }
}

impl Policy {
    /// Decides about a record; true if it is taken although nobody known vouches for it.
    pub(crate) fn judge(&self, voucher: Voucher, own: Option<PublicKey>) -> Result<bool, Reason> {
        let denied = match voucher {
            Voucher::Broken => return Err(Reason::Signature),
            Voucher::Key(key) if Some(key) == own || self.trust.contains(&key) => return Ok(false),
            Voucher::Key(key) if !self.trust.is_empty() => return Err(Reason::UnknownKey(key)),
            Voucher::Key(key) => Reason::UnknownKey(key),
            Voucher::Nobody => Reason::Unsigned,
        };
        match self.unsigned {
            Unsigned::Accept | Unsigned::Warn => Ok(true),
            Unsigned::Deny => Err(denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    #[test]
    fn a_choice_that_was_not_made_follows_the_keys_trusted_now() {
        let key = SecretKey::generate().unwrap().public();
        for (known_place, trust, unsigned, expected) in [
            (true, vec![], None, Unsigned::Warn),
            (true, vec![key], None, Unsigned::Deny),
            (false, vec![], None, Unsigned::Deny),
            (false, vec![key], None, Unsigned::Deny),
            (true, vec![key], Some(Unsigned::Warn), Unsigned::Warn),
            (false, vec![], Some(Unsigned::Accept), Unsigned::Accept),
        ] {
            let settings = PolicySettings { trust, unsigned };
            assert_eq!(settings.policy(known_place).unsigned, expected, "{settings:?}");
        }
    }

    #[test]
    fn every_case_is_decided_as_documented() {
        let [own, friend, stranger] = [0; 3].map(|_| SecretKey::generate().unwrap().public());
        let policy = |trust: &[PublicKey], unsigned| Policy {
            trust: trust.to_vec(),
            unsigned,
        };
        for unsigned in [Unsigned::Accept, Unsigned::Warn, Unsigned::Deny] {
            for trust in [&[][..], &[friend][..]] {
                let policy = policy(trust, unsigned);
                let judge = |voucher| policy.judge(voucher, Some(own));
                assert_eq!(judge(Voucher::Broken), Err(Reason::Signature));
                assert_eq!(judge(Voucher::Key(own)), Ok(false));
                let expected = |denied| match unsigned {
                    Unsigned::Accept | Unsigned::Warn => Ok(true),
                    Unsigned::Deny => Err(denied),
                };
                assert_eq!(judge(Voucher::Nobody), expected(Reason::Unsigned));
                let unknown = Reason::UnknownKey(stranger);
                match trust.is_empty() {
                    true => assert_eq!(judge(Voucher::Key(stranger)), expected(unknown)),
                    false => {
                        assert_eq!(judge(Voucher::Key(stranger)), Err(unknown));
                        assert_eq!(judge(Voucher::Key(friend)), Ok(false));
                    }
                }
            }
        }
    }
}
