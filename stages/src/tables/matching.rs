//! Tables of the same candidates.

use std::collections::HashSet;

use crate::contract::KnownInputs;
use crate::plural::plural;

/// A candidate: the id of its prompt, and its seed index.
pub(crate) type CandidateName<'a> = (&'a str, u32);

/// Why two tables are not of the same candidates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MatchError {
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` is in {present}, but not in {absent}")]
    Unmatched {
        prompt_id: String,
        seed_index: u32,
        present: String,
        absent: String,
    },
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` is twice in {table}")]
    Twice {
        prompt_id: String,
        seed_index: u32,
        table: String,
    },
}

impl MatchError {
    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = "What is compared image by image has the same prompts and seed indices: generate both sides from one \
                    table of prompts, with the same `candidates_per_prompt` and `first_seed_index`";
        matches!(self, Self::Unmatched { .. }).then(|| hint.to_owned())
    }
}

/// Tables with fewer rows than there are candidates, so that some candidate lacks one, whichever it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{port}` has {found} row{}, too few for the candidates, which need {expected}",
    plural(*found)
)]
pub(crate) struct FewRows {
    port: &'static str,
    found: u64,
    expected: u64,
}

impl FewRows {
    /// Checks the rows on a port, if they are known.
    pub(crate) fn check(port: &'static str, found: Option<u64>, expected: u64) -> Result<(), Self> {
        match found {
            Some(found) if found < expected => Err(Self {
                port,
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(SAME_CANDIDATES.to_owned())
    }
}

/// A table about other candidates than those of the stage that reads both, as the references of a pipeline tell.
///
/// Other candidates may have the same prompts and seed indices, so the rows of the tables do not tell.
#[derive(Debug, thiserror::Error)]
#[error(
    "{table} is about the candidates of stage `{found}`, but `candidates` are those of stage `{expected}`"
)]
pub(crate) struct UnrelatedTable {
    table: String,
    found: String,
    expected: String,
}

impl UnrelatedTable {
    /// Checks the tables on `scores` and `evaluation`, as far as it is known which candidates they are about.
    pub(crate) fn check(inputs: &KnownInputs) -> Result<(), Self> {
        let own = inputs.of("candidates").first();
        let Some(expected) = own.and_then(|own| own.candidates.as_ref()) else {
            return Ok(());
        };
        let scores = inputs.of("scores").iter().enumerate();
        let scores = scores.map(|(position, table)| (table, inputs.name_in_list("scores", position)));
        let evaluation = inputs.of("evaluation").iter();
        let evaluation = evaluation.map(|table| (table, inputs.name("evaluation")));
        for (table, name) in scores.chain(evaluation) {
            if let Some(found) = table.candidates.as_ref().filter(|found| *found != expected) {
                return Err(Self {
                    table: name,
                    found: found.clone(),
                    expected: expected.clone(),
                });
            }
        }
        Ok(())
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(SAME_CANDIDATES.to_owned())
    }
}

/// What to do about scores that do not cover the candidates.
pub(crate) const SAME_CANDIDATES: &str = "Scores and evaluations are of one table of candidates: make them from the \
     `candidates` of this stage, or give this stage theirs";

/// Checks that two tables have the same candidates, once each and in any order; each table comes with its name for
/// messages.
pub(crate) fn match_candidates<'a>(
    (one, one_name): (impl Iterator<Item = CandidateName<'a>> + Clone, &str),
    (other, other_name): (impl Iterator<Item = CandidateName<'a>> + Clone, &str),
) -> Result<(), MatchError> {
    let (ones, others) = (
        distinct(one.clone(), one_name)?,
        distinct(other.clone(), other_name)?,
    );
    all_in(one, &others, one_name, other_name)?;
    all_in(other, &ones, other_name, one_name)
}

fn distinct<'a>(
    candidates: impl Iterator<Item = CandidateName<'a>>,
    table: &str,
) -> Result<HashSet<CandidateName<'a>>, MatchError> {
    let mut seen = HashSet::new();
    for candidate in candidates {
        if !seen.insert(candidate) {
            return Err(MatchError::Twice {
                prompt_id: candidate.0.to_owned(),
                seed_index: candidate.1,
                table: table.to_owned(),
            });
        }
    }
    Ok(seen)
}

fn all_in<'a>(
    mut candidates: impl Iterator<Item = CandidateName<'a>>,
    known: &HashSet<CandidateName<'a>>,
    present: &str,
    absent: &str,
) -> Result<(), MatchError> {
    match candidates.find(|candidate| !known.contains(candidate)) {
        None => Ok(()),
        Some((prompt_id, seed_index)) => Err(MatchError::Unmatched {
            prompt_id: prompt_id.to_owned(),
            seed_index,
            present: present.to_owned(),
            absent: absent.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::KnownInput;

    #[test]
    fn tables_about_other_candidates_are_told_by_where_they_come_from() {
        let input = |stage: &str, candidates: Option<&str>| KnownInput {
            stage: stage.to_owned(),
            columns: None,
            candidates: candidates.map(str::to_owned),
        };
        let told = |own: Option<&str>, scores: Option<&str>, evaluation: Option<&str>| {
            let mut inputs = KnownInputs::default();
            inputs.add("candidates", vec![input("hc", own)]);
            inputs.add("scores", vec![input("j1", own), input("j3", scores)]);
            inputs.add("evaluation", vec![input("e", evaluation)]);
            match UnrelatedTable::check(&inputs) {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(told(Some("hc"), Some("hc"), Some("hc")), "");
        assert_eq!(told(Some("hc"), None, None), "");
        assert_eq!(told(None, Some("h3"), Some("h3")), "");
        assert_eq!(
            told(Some("hc"), Some("h3"), None),
            "`scores[1]` (stage `j3`) is about the candidates of stage `h3`, but `candidates` are those of stage `hc`"
        );
        assert_eq!(
            told(Some("hc"), Some("hc"), Some("h3")),
            "`evaluation` (stage `e`) is about the candidates of stage `h3`, but `candidates` are those of stage `hc`"
        );
    }

    #[test]
    fn the_first_candidate_that_one_side_lacks_is_named_with_both_sides() {
        let told = |one: &[CandidateName<'_>], other: &[CandidateName<'_>]| {
            let (one, other) = ((one.iter().copied(), "`a`"), (other.iter().copied(), "`b`"));
            match match_candidates(one, other) {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(told(&[("p", 0), ("q", 1)], &[("q", 1), ("p", 0)]), "");
        assert_eq!(
            told(&[("p", 0), ("q", 1)], &[("p", 0)]),
            "Candidate `1` of prompt `q` is in `a`, but not in `b`"
        );
        assert_eq!(
            told(&[("p", 0)], &[("p", 2), ("p", 0)]),
            "Candidate `2` of prompt `p` is in `b`, but not in `a`"
        );
        assert_eq!(
            told(&[("p", 0)], &[("p", 0), ("p", 0)]),
            "Candidate `0` of prompt `p` is twice in `b`"
        );
    }
}
