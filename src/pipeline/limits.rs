//! Numbers out of all reason, refused before a stage is made of them.

use mitune_stages::contract::setting_limits::{Range, range};

use crate::document::{DocumentError, Node, Problem, Tree};

/// Checks every number below the settings of a stage against the range of its setting.
///
/// # Errors
/// [`DocumentError`] with the first number that is outside, and the range.
pub(super) fn check(kind: &str, settings: &Node) -> Result<(), DocumentError> {
    check_below(kind, settings, &mut Vec::new())
}

fn check_below<'n>(kind: &str, node: &'n Node, path: &mut Vec<&'n str>) -> Result<(), DocumentError> {
    let found = range(kind, path);
    if let Some(expected) = found.and_then(|range| broken(&node.tree, range)) {
        let found = node.tree.describe();
        return Err(DocumentError::new(node.mark, Problem::Type { expected, found }));
    }
    match &node.tree {
        Tree::Map(entries) => entries.iter().try_for_each(|entry| {
            path.push(&entry.key);
            let checked = check_below(kind, &entry.value, path);
            path.pop();
            checked.map_err(|error| error.inside(&entry.key, entry.value.mark.or(entry.mark)))
        }),
        Tree::List(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            // Ranges tell no position of a list from another.
            path.push("0");
            let checked = check_below(kind, item, path);
            path.pop();
            checked.map_err(|error| error.inside(index.to_string(), item.mark))
        }),
        _ => Ok(()),
    }
}

/// Says what the value should be, unless it is that or of another type, of which the setting's own type knows more.
fn broken(tree: &Tree, range: Range) -> Option<String> {
    let value = match tree {
        Tree::Integer(number) => number.value as f64,
        Tree::Float(number) => number.value,
        Tree::List(items) => match range {
            Range::Entries(most) if items.len() > most => return Some(format!("at most {most} entries")),
            _ => return None,
        },
        _ => return None,
    };
    match (range, tree) {
        (Range::Whole(least, most), Tree::Integer(number)) => {
            let inside = (i128::from(least)..=i128::from(most)).contains(&number.value);
            (!inside).then(|| format!("a whole number from {least} to {most}"))
        }
        (Range::Whole(least, most), _) => {
            let far = value.abs() > most as f64;
            far.then(|| format!("a whole number from {least} to {most}"))
        }
        (Range::Real(least, most), _) if least > f64::MIN => {
            (!(least..=most).contains(&value)).then(|| match most < f64::MAX {
                true => format!("a number from {} to {most}", written(least)),
                false => format!("a number from {least} on"),
            })
        }
        _ => None,
    }
}

/// A number without a row of zeros.
fn written(number: f64) -> String {
    match number != 0.0 && number.abs() < 1e-3 {
        true => format!("{number:e}"),
        false => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    #[test]
    fn what_is_out_of_range_is_refused_with_number_range_and_place() {
        for (kind, text, message) in [
            (
                "generate",
                "candidates_per_prompt: 4000000000\n",
                "Expected a whole number from 1 to 1000000, found number `4000000000` at `candidates_per_prompt`",
            ),
            (
                "score",
                "timesteps: {first: 0, last: 18446744073709551615}\n",
                "Expected a whole number from 0 to 1000000, found number `18446744073709551615` at `timesteps.last`",
            ),
            (
                "generate",
                "sampler: {steps: 1e12}\n",
                "Expected a whole number from 1 to 1000000, found number `1e12` at `sampler.steps`",
            ),
            (
                "merge_adapters",
                "weights: [1, 1e308]\n",
                "Expected a number from -1000000000000 to 1000000000000, found number `1e308` at `weights.1`",
            ),
            (
                "finetune",
                "objective: {kind: rpo, tau: 1e-300}\n",
                "Expected a number from 1e-6 to 1000000, found number `1e-300` at `objective.tau`",
            ),
            (
                "finetune",
                "optimizer: {adafactor: {epsilon: 1e-300}}\n",
                "Expected a number from 1e-37 to 1000000, found number `1e-300` at `optimizer.adafactor.epsilon`",
            ),
            (
                "policy_gradient",
                "sampler: {eta: 1e-20}\n",
                "Expected a number from 0.001 to 1, found number `1e-20` at `sampler.eta`",
            ),
            (
                "weigh",
                "floor: -1\n",
                "Expected a number from 0 on, found number `-1` at `floor`",
            ),
            (
                "pretrain_denoiser",
                "channels: [1, 1, 1, 1, 1, 1, 1]\n",
                "Expected at most 6 entries, found a list of 7 at `channels`",
            ),
            (
                "finetune",
                "steps: -1\n",
                "Expected a whole number from 1 to 100000000, found number `-1` at `steps`",
            ),
        ] {
            let error = check(kind, &load(text).unwrap()).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(error.mark.is_some(), "{text}");
        }
        for (kind, text) in [
            ("generate", "sampler: {steps: x}\nseed: 18446744073709551615\n"),
            ("select", "min_score: -1e300\ntop_k: 4294967295\n"),
            ("generate", "batch_size: ~\n"),
            ("engine_test", "steps: -1\n"),
        ] {
            assert_eq!(check(kind, &load(text).unwrap()), Ok(()), "{text}");
        }
    }
}
