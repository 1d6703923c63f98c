//! Metrics of two results, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// A metric that is not the same in both results.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct MetricChange {
    /// Its name; parts of a structured metric are joined by dots.
    pub(crate) name: String,
    pub(crate) first: Option<Value>,
    pub(crate) second: Option<Value>,
    /// Second less first, if both are numbers.
    pub(crate) change: Option<f64>,
}

/// Lists the metrics that are not the same in both results.
pub(super) fn metric_changes(
    first: &BTreeMap<String, Value>,
    second: &BTreeMap<String, Value>,
) -> Vec<MetricChange> {
    let (first, second) = (flattened(first), flattened(second));
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let change = |name: &String| {
        let (first, second) = (first.get(name), second.get(name));
        let number = |value: Option<&Value>| value.and_then(Value::as_f64);
        let change = number(second)
            .zip(number(first))
            .map(|(second, first)| second - first);
        (first != second).then(|| MetricChange {
            name: name.clone(),
            first: first.cloned(),
            second: second.cloned(),
            change,
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn flattened(metrics: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    fn flatten(name: String, value: &Value, flat: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    flatten(format!("{name}.{field}"), value, flat);
                }
            }
            leaf => drop(flat.insert(name, leaf.clone())),
        }
    }
    let mut flat = BTreeMap::new();
    for (name, value) in metrics {
        flatten(name.clone(), value, &mut flat);
    }
    flat
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_subtracted_and_equal_metrics_left_out() {
        let metrics = |value: Value| value.as_object().unwrap().clone().into_iter().collect();
        let first = metrics(json!({"rate": 0.5, "same": [1, 2], "by": {"a": 1, "b": 2}, "text": "x"}));
        let second = metrics(json!({"rate": 0.75, "same": [1, 2], "by": {"a": 1, "b": 4}, "new": true}));
        let found = metric_changes(&first, &second);
        let found: Vec<_> = found
            .iter()
            .map(|change| (change.name.as_str(), change.change))
            .collect();
        let expected = [
            ("by.b", Some(2.0)),
            ("new", None),
            ("rate", Some(0.25)),
            ("text", None),
        ];
        assert_eq!(found, expected);
    }
}
