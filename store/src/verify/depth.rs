use std::str::FromStr;

use crate::names::Digest;
use crate::timestamp::Timestamp;

/// How closely a store is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyDepth {
    /// Every record parses and every blob it names is there with the right size.
    Quick,
    /// Also every blob has the bytes of its name, and every artifact the content that is recorded.
    Full,
    /// The same for a part of the digests.
    Sample(Sample),
}

/// One of several parts of equal size into which digests fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    part: u32,
    of: u32,
}

/// A text that is no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no sample: write `2/30` for the second of 30 parts, or `30` for the part of today")]
pub struct SampleError(String);

impl Sample {
    /// Takes the part that is due on a day, so that `of` days cover everything.
    fn of_day(of: u32, now: Timestamp) -> Self {
        let day = now.0 / 86_400_000;
        let part = u32::try_from(day % u64::from(of)).unwrap_or(0) + 1;
        Self { part, of }
    }

    /// Tells whether a digest falls into this part: a range of digests, so that fan directories are read whole.
    pub(crate) fn covers(self, digest: &Digest) -> bool {
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        let scaled = (u128::from(u64::from_be_bytes(first)) * u128::from(self.of)) >> 64;
        scaled + 1 == u128::from(self.part)
    }
}

impl FromStr for Sample {
    type Err = SampleError;

    fn from_str(text: &str) -> Result<Self, SampleError> {
        let wrong = || SampleError(text.chars().take(40).collect());
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        match text.split_once('/') {
            None => Ok(Self::of_day(number(text).ok_or_else(wrong)?, Timestamp::now())),
            Some((part, of)) => match (number(part), number(of)) {
                (Some(part), Some(of)) if part <= of => Ok(Self { part, of }),
                _ => Err(wrong()),
            },
        }
    }
}

impl VerifyDepth {
    /// Tells whether the bytes of what has this digest are read.
    pub(crate) fn reads(self, digest: &Digest) -> bool {
        match self {
            Self::Quick => false,
            Self::Full => true,
            Self::Sample(sample) => sample.covers(digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_sample_cover_every_digest_once() {
        for of in [1_u32, 2, 3, 7, 30, 365] {
            let parts: Vec<Sample> = (1..=of)
                .map(|part| format!("{part}/{of}").parse().unwrap())
                .collect();
            for number in 0..500_u32 {
                let mut digest = *blake3::hash(&number.to_le_bytes()).as_bytes();
                if number < 2 {
                    digest = [if number == 0 { 0 } else { 255 }; 32];
                }
                let digest = Digest::new(digest);
                assert_eq!(
                    parts.iter().filter(|part| part.covers(&digest)).count(),
                    1,
                    "{of} {digest}"
                );
            }
        }
    }

    #[test]
    fn days_roll_over_the_parts() {
        let day = |day: u64| Sample::of_day(5, Timestamp(day * 86_400_000 + 77));
        let parts: Vec<u32> = (100..107).map(|number| day(number).part).collect();
        assert_eq!(parts, [1, 2, 3, 4, 5, 1, 2]);
        for wrong in ["", "0", "0/3", "4/3", "1/0", "-1/2", "a", "1/2/3", "1.5"] {
            assert!(wrong.parse::<Sample>().is_err(), "{wrong}");
        }
    }
}
