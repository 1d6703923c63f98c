//! Relations turned into their opposites.

/// Relations and their opposites, either way.
const OPPOSITES: [(&str, &str); 14] = [
    ("in front of", "behind"),
    ("on top of", "underneath"),
    ("on the top of", "on the bottom of"),
    ("over", "under"),
    ("above", "below"),
    ("left", "right"),
    ("inside", "outside"),
    ("into", "out of"),
    ("bigger", "smaller"),
    ("larger", "smaller"),
    ("taller", "shorter"),
    ("before", "after"),
    ("with", "without"),
    ("more", "fewer"),
];

/// How often a relation is looked for: a prompt of many thousand words must not become as many prompts.
const MOST_OF_ONE: usize = 12;

/// The prompt with one relation turned into its opposite, for each relation in it.
pub(super) fn opposites(prompt: &str) -> Vec<String> {
    let lower = prompt.to_ascii_lowercase();
    let mut texts = Vec::new();
    for (one, other) in OPPOSITES {
        for (relation, opposite) in [(one, other), (other, one)] {
            let found = lower.match_indices(relation).map(|(start, _)| start);
            let alone = found.filter(|&start| stands_alone(prompt, start, start + relation.len()));
            for start in alone.take(MOST_OF_ONE) {
                let end = start + relation.len();
                texts.push([&prompt[..start], opposite, &prompt[end..]].concat());
            }
        }
    }
    texts
}

/// Whether no word goes on before or behind.
fn stands_alone(prompt: &str, start: usize, end: usize) -> bool {
    let before = prompt[..start].chars().next_back();
    let behind = prompt[end..].chars().next();
    [before, behind]
        .into_iter()
        .flatten()
        .all(|letter| !letter.is_alphanumeric() && letter != '-')
}
