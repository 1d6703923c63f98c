//! Where two values differ, for explaining why a key changed.

use super::value::Value;

/// One place where two values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The place, such as `config.sampler.steps` or `inputs.prompts[3]`; empty for the whole value.
    pub path: String,
    /// The value on the left, `None` if it is absent there.
    pub left: Option<Value>,
    /// The value on the right, `None` if it is absent there.
    pub right: Option<Value>,
}

/// Lists the places where two values differ, in the order of their paths in the maps.
pub fn differences(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(Some(left), Some(right), String::new(), &mut found);
    found
}

fn compare(left: Option<&Value>, right: Option<&Value>, path: String, found: &mut Vec<Difference>) {
    match (left, right) {
        (Some(Value::Map(a)), Some(Value::Map(b))) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let mut keys: Vec<_> = keys.collect();
            keys.sort_unstable();
            for key in keys {
                let place = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(a.get(key), b.get(key), place, found);
            }
        }
        (Some(Value::List(a)), Some(Value::List(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(a.get(index), b.get(index), format!("{path}[{index}]"), found);
            }
        }
        _ if left == right => {}
        _ => found.push(Difference {
            path,
            left: left.cloned(),
            right: right.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_changed_leaves_are_listed() {
        let left = Value::map([
            ("steps", Value::Int(50)),
            ("model", Value::map([("unet", "a".into()), ("vae", "b".into())])),
            ("seeds", vec![Value::Int(1), Value::Int(2)].into()),
        ]);
        let right = Value::map([
            ("steps", Value::Float(50.0)),
            ("model", Value::map([("unet", "c".into()), ("vae", "b".into())])),
            ("seeds", vec![Value::Int(1)].into()),
            ("salt", "x".into()),
        ]);
        let paths: Vec<_> = differences(&left, &right).into_iter().map(|d| d.path).collect();
        assert_eq!(paths, ["model.unet", "salt", "seeds[1]", "steps"]);
        assert!(differences(&left, &left).is_empty());
        let salt = &differences(&left, &right)[1];
        assert_eq!(
            (salt.left.as_ref(), salt.right.as_ref()),
            (None, Some(&"x".into()))
        );
    }
}
