//! Conditions on metrics.

use std::str::FromStr;

/// A condition on a metric that is a number, such as `loss<0.5`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricCondition {
    /// Name of the metric.
    pub name: String,
    comparison: Comparison,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    Unequal,
    AtLeast,
    More,
}

/// A text that is no condition.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no condition: write a metric, one of `< <= = != >= >` and a number, such as `loss<0.5`")]
pub struct MetricError(String);

/// Longer operators first, as shorter ones begin them.
const OPERATORS: [(&str, Comparison); 7] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("!=", Comparison::Unequal),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

impl FromStr for MetricCondition {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let parse = || {
            let place = text.find(['<', '>', '=', '!'])?;
            let (name, rest) = text.split_at(place);
            let (operator, comparison) = OPERATORS
                .iter()
                .find(|(operator, _)| rest.starts_with(operator))?;
            let value: f64 = rest[operator.len()..].trim().parse().ok()?;
            let name = name.trim().to_owned();
            (!name.is_empty() && !value.is_nan()).then_some(Self {
                name,
                comparison: *comparison,
                value,
            })
        };
        parse().ok_or_else(|| MetricError(text.to_owned()))
    }
}

impl MetricCondition {
    /// Tells whether it is true of a value; it is not of a metric that is absent or no number.
    pub fn holds(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| match self.comparison {
            Comparison::Less => value < self.value,
            Comparison::AtMost => value <= self.value,
            Comparison::Equal => value == self.value,
            Comparison::Unequal => value != self.value,
            Comparison::AtLeast => value >= self.value,
            Comparison::More => value > self.value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_as_they_are_written() {
        let holds = |text: &str, value| text.parse::<MetricCondition>().unwrap().holds(Some(value));
        for (text, below, at, above) in [
            ("x<0.5", true, false, false),
            ("x <= 0.5", true, true, false),
            ("x=0.5", false, true, false),
            ("x==5e-1", false, true, false),
            ("x!=0.5", true, false, true),
            ("x>=0.5", false, true, true),
            ("x>0.5", false, false, true),
        ] {
            assert_eq!(
                [holds(text, 0.4), holds(text, 0.5), holds(text, 0.6)],
                [below, at, above],
                "{text}"
            );
        }
        assert!(!"x!=0.5".parse::<MetricCondition>().unwrap().holds(None));
        for text in ["", "x", "<1", "x<", "x<y", "x!1", "x<nan", "x=>1"] {
            assert!(text.parse::<MetricCondition>().is_err(), "{text}");
        }
    }
}
