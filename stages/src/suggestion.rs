//! "Did you mean": the known name closest to an unknown one.

/// Returns the candidate closest to `unknown`, if one is close enough to be a slip of the keyboard.
///
/// Close enough is an edit distance of at most a third of the longer name, and at least 1.
pub fn closest<'a>(unknown: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(unknown, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (unknown.chars().count().max(candidate.chars().count()) / 3).max(1)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Asks at the end of a message whether a name was meant, if there is one.
pub(crate) fn did_you_mean(suggestion: &Option<String>) -> String {
    let asked = suggestion
        .as_ref()
        .map(|name| format!("; did you mean `{name}`?"));
    asked.unwrap_or_default()
}

/// Counts the insertions, deletions, replacements and swaps of neighbours that turn one text into the other, ignoring
/// the case of ASCII letters (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().map(|c| c.to_ascii_lowercase()).collect();
    let right: Vec<char> = right.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let mut best = (last[column] + usize::from(a != b))
                .min(last[column + 1] + 1)
                .min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_agree_with_hand_counts() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("seed", "sede", 1),
            ("kind", "Kind", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn only_slips_are_suggested() {
        let names = ["generate", "score", "select", "candidates_per_prompt"];
        assert_eq!(closest("genrate", names), Some("generate"));
        assert_eq!(closest("selct", names), Some("select"));
        assert_eq!(
            closest("candidate_per_prompts", names),
            Some("candidates_per_prompt")
        );
        assert_eq!(closest("train", names), None);
        assert_eq!(closest("x", []), None);
    }
}
