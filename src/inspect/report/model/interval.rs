use mitune_stages::statistics::bootstrap::Estimate;
use serde::Serialize;

/// A measured number with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Interval {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// A value that says nothing, such as no difference or the area under the curve of chance.
    pub(crate) reference: Option<f64>,
    /// On which side of that value the interval lies.
    pub(crate) side: Option<Side>,
}

/// How an interval lies to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Above,
    Below,
    Includes,
}

impl Interval {
    /// An interval that is looked at by itself.
    pub(crate) fn of(estimate: Estimate) -> Self {
        Self {
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            reference: None,
            side: None,
        }
    }

    /// An interval beside a value that says nothing.
    pub(crate) fn beside(reference: f64, estimate: Estimate) -> Self {
        let side = if estimate.low > reference {
            Side::Above
        } else if estimate.high < reference {
            Side::Below
        } else {
            Side::Includes
        };
        Self {
            reference: Some(reference),
            side: Some(side),
            ..Self::of(estimate)
        }
    }

    /// The interval of a difference, which may be none.
    pub(crate) fn difference(estimate: Estimate) -> Self {
        Self::beside(0.0, estimate)
    }

    /// The interval of an area under the curve, which is 0.5 by chance.
    pub(crate) fn area(estimate: Estimate) -> Self {
        Self::beside(0.5, estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, Interval, Side};

    fn estimate(low: f64, value: f64, high: f64) -> Estimate {
        Estimate {
            value,
            low,
            high,
            clusters: 3,
            observations: 9,
        }
    }

    #[test]
    fn only_intervals_clear_of_the_reference_count() {
        let side = |low, value, high| Interval::difference(estimate(low, value, high)).side;
        assert_eq!(side(0.1, 0.2, 0.3), Some(Side::Above));
        assert_eq!(side(-0.3, -0.2, -0.1), Some(Side::Below));
        for touching in [(0.0, 0.2, 0.3), (-0.2, -0.1, 0.0), (-1.0, 0.0, 1.0)] {
            let (low, value, high) = touching;
            assert_eq!(side(low, value, high), Some(Side::Includes));
        }
        let alone = Interval::of(estimate(0.1, 0.2, 0.3));
        assert_eq!((alone.reference, alone.side), (None, None));
        assert_eq!(Interval::area(estimate(0.6, 0.7, 0.8)).side, Some(Side::Above));
    }
}
