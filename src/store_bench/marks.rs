use std::fmt;

use serde::Serialize;

/// One measured piece of work.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    /// What was done.
    pub(crate) work: String,
    /// What came out.
    pub(crate) value: f64,
    /// Unit of the value.
    pub(crate) unit: &'static str,
    /// What it is measured against, in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<Peer>,
    /// What it has to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<Mark>,
}

/// What a measurement is told as a ratio of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    /// What was done instead.
    pub(crate) work: &'static str,
    /// What came out, in the same unit.
    pub(crate) value: f64,
    /// The measurement as a multiple of the peer, larger is better.
    pub(crate) ratio: f64,
}

/// What a measurement has to reach.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// The ratio to the peer is at least this.
    Ratio(f64),
    /// The value is at most this.
    AtMost(f64),
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(least) => write!(formatter, "at least {least}x"),
            Self::AtMost(most) => write!(formatter, "at most {most}"),
        }
    }
}

impl Measurement {
    pub(super) fn new(work: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            work: work.into(),
            value,
            unit,
            peer: None,
            mark: None,
        }
    }

    /// Compares a rate, of which more is better, with that of a peer.
    pub(super) fn against(self, work: &'static str, value: f64) -> Self {
        let ratio = self.value / value;
        Self {
            peer: Some(Peer { work, value, ratio }),
            ..self
        }
    }

    pub(super) fn mark(self, mark: Mark) -> Self {
        Self {
            mark: Some(mark),
            ..self
        }
    }

    /// Tells whether the mark is reached, `None` if there is none.
    pub(crate) fn reached(&self) -> Option<bool> {
        Some(match self.mark? {
            Mark::AtMost(most) => self.value <= most,
            Mark::Ratio(least) => self.peer.as_ref()?.ratio >= least,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_reached_from_their_own_side() {
        let rate = || Measurement::new("put", 80.0, "MiB/s").against("cp", 100.0);
        assert_eq!(rate().reached(), None);
        assert_eq!(rate().mark(Mark::Ratio(0.8)).reached(), Some(true));
        assert_eq!(rate().mark(Mark::Ratio(0.81)).reached(), Some(false));
        let time = |most| Measurement::new("lookup", 40.0, "microseconds").mark(Mark::AtMost(most));
        assert_eq!(time(50.0).reached(), Some(true));
        assert_eq!(time(39.0).reached(), Some(false));
    }
}
