//! T2I-CompBench's rules (Huang et al. 2023, arXiv 2307.06350): what is asked about a noun phrase, and what the answers
//! make of an image.

/// Most noun phrases of a prompt that are asked about.
pub const MOST_CHUNKS: usize = 8;

/// Most words of a question, as a split at single spaces counts them.
const MOST_WORDS: usize = 50;

/// Characters that are taken out of a question; the question mark is none of them.
const TAKEN_OUT: &str = ".!\"()*#:;~";

/// The question about a noun phrase.
pub fn question(chunk: &str) -> String {
    let asked = format!("{chunk}?").to_lowercase();
    let kept: String = asked
        .chars()
        .filter(|character| !TAKEN_OUT.contains(*character))
        .collect();
    let words: Vec<&str> = kept.trim_end_matches(' ').split(' ').take(MOST_WORDS).collect();
    words.join(" ")
}

/// What the probabilities of all noun phrases of a prompt make of its image; 1 without any.
///
/// Each is rounded to four decimals first, since the reference writes them to a file in between; products are f32 as in
/// its tensor, and the result is rounded again.
pub fn joint_probability(probabilities: &[f32]) -> f64 {
    let written = probabilities.iter().map(|one| to_four_decimals(*one) as f32);
    to_four_decimals(written.product())
}

/// The share of yes in the probabilities of yes and no, from their logits.
pub(super) fn share_of_yes(yes: f32, no: f32) -> f32 {
    (1.0 / (1.0 + (f64::from(no) - f64::from(yes)).exp())) as f32
}

/// Rounds as Python's `'{:.4f}'` does: to the nearest, of two equally near to the even one. Ten thousand times an f32
/// is exact in f64.
fn to_four_decimals(value: f32) -> f64 {
    (f64::from(value) * 1e4).round_ties_even() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_cleaned_as_the_reference_cleans_them() {
        for (chunk, expected) in [
            ("a red Apple", "a red apple?"),
            ("the \"blue\" (round) cup: *#~;", "the blue round cup ?"),
            ("U.S.A. flag!", "usa flag?"),
            ("a cup, blue/green-ish", "a cup, blue/green-ish?"),
            ("", "?"),
            ("two  spaces", "two  spaces?"),
            ("\u{130}stanbul \u{39f}\u{3a3}", "i\u{307}stanbul \u{3bf}\u{3c2}?"),
        ] {
            assert_eq!(question(chunk), expected);
        }
        let long = "word ".repeat(60);
        assert_eq!(question(&long), ["word"; 50].join(" "));
    }

    /// Python: `'{:.4f}'.format(torch.tensor(value).item())`.
    #[test]
    fn decimals_are_rounded_to_even_where_both_are_as_near() {
        for (value, expected) in [
            (0.031_25, 0.0312),
            (0.093_75, 0.0938),
            (0.5, 0.5),
            (0.711_04, 0.711),
            (0.999_96, 1.0),
            (0.000_04, 0.0),
        ] {
            assert_eq!(to_four_decimals(value), expected);
        }
    }

    #[test]
    fn products_are_of_what_was_written() {
        assert_eq!(joint_probability(&[]), 1.0);
        assert_eq!(joint_probability(&[0.5]), 0.5);
        // The nearest f32 to .9321 lies below it, so that half of it is below the middle of two decimals.
        assert_eq!(joint_probability(&[0.9321, 0.5]), 0.466);
        assert_eq!(joint_probability(&[0.932_14, 0.500_04, 1.0]), 0.466);
        assert_eq!(joint_probability(&[0.00004, 1.0]), 0.0);
    }

    #[test]
    fn shares_follow_from_logits() {
        assert_eq!(share_of_yes(1.5, 1.5), 0.5);
        assert!((share_of_yes(3.0_f32.ln(), 0.0) - 0.75).abs() < 1e-7);
        assert_eq!(share_of_yes(-500.0, 500.0), 0.0);
        assert!(share_of_yes(f32::NAN, 0.0).is_nan());
    }
}
