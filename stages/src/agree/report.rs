//! What the output `summary` holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::bootstrap::{BootstrapSettings, Estimate};

/// How far columns about the same candidates agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgreementReport {
    /// The columns, in the order of the setting.
    pub columns: Vec<String>,
    /// Those in which lower numbers are better.
    pub lower_is_better: Vec<String>,
    /// The ranks by the first column that were looked at; empty for all candidates.
    pub ranks: Vec<u32>,
    /// How intervals were made.
    pub bootstrap: BootstrapSettings,
    /// Number of prompts.
    pub prompts: u64,
    /// Number of candidates that were looked at.
    pub candidates: u64,
    /// Every two columns, in the order of the setting.
    pub agreements: Vec<ColumnAgreement>,
    /// What a random choice is worth to each column.
    pub random: Vec<RandomChoice>,
    /// What the best of n by one column is worth to another, for every two of them.
    pub curves: Vec<BestOfNCurve>,
}

/// How far two columns agree; numbers are turned so that higher is better in both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnAgreement {
    /// One column.
    pub first: String,
    /// The other column.
    pub second: String,
    /// Kendall's tau-a within a prompt, over prompts with at least two candidates.
    pub tau_a: Option<Estimate>,
    /// Kendall's tau-b within a prompt, over prompts where neither column is constant.
    pub tau_b: Option<Estimate>,
    /// Tau-a over all candidates, whatever their prompts; it has no interval.
    pub overall_tau_a: Option<f64>,
    /// Tau-b over all candidates, whatever their prompts; it has no interval.
    pub overall_tau_b: Option<f64>,
    /// Share of prompts with at least two candidates whose best candidate is the same; among equally good ones each is
    /// taken equally often, by either column for itself.
    pub same_best: Option<Estimate>,
    /// That share for two random choices.
    pub same_best_by_chance: Option<f64>,
}

/// What a random choice is worth to a judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomChoice {
    /// The column that judges.
    pub judge: String,
    /// The mean over the candidates of a prompt, over prompts.
    pub value: Option<Estimate>,
}

/// What the best of n candidates by one column is worth to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestOfNCurve {
    /// The column that chooses.
    pub chooser: String,
    /// The column that judges.
    pub judge: String,
    /// For 1, 2, 4, ... and all candidates.
    pub points: Vec<BestOfNPoint>,
}

/// One point of such a curve, over the prompts that have so many candidates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestOfNPoint {
    /// How many candidates there are to choose from.
    pub n: u64,
    /// What the judge is expected to say of the best of them, over all subsets of so many candidates.
    pub value: Estimate,
    /// That minus the expected value of a random choice, paired by prompt.
    pub gain: Estimate,
}

/// Pairs of columns that the headline and the metrics tell of.
const MOST_TOLD: usize = 4;

/// Characters of the name of a column in the headline and the metrics.
const LONGEST_NAME: usize = 60;

impl AgreementReport {
    /// The main figures in one line.
    pub(super) fn headline(&self) -> String {
        let pair = |one: &ColumnAgreement| {
            let tau = match &one.tau_b {
                Some(Estimate { value, low, high, .. }) => {
                    format!("tau-b {value:.4} [{low:.4}, {high:.4}]")
                }
                None => "no tau-b".to_owned(),
            };
            format!("`{}` and `{}`: {tau}", short(&one.first), short(&one.second))
        };
        let told: Vec<String> = self.agreements.iter().take(MOST_TOLD).map(pair).collect();
        let rest = match self.agreements.len().saturating_sub(MOST_TOLD) {
            0 => String::new(),
            rest => format!(" and {rest} more pairs"),
        };
        format!("{}{rest} over {} prompts", told.join(", "), self.prompts)
    }

    /// A number of every two columns that have it, by the names of both.
    pub(super) fn by_pair(&self, of: fn(&ColumnAgreement) -> Option<&Estimate>) -> serde_json::Value {
        let named = |one: &ColumnAgreement| {
            let name = format!("{}, {}", short(&one.first), short(&one.second));
            Some((name, of(one)?.value))
        };
        let numbers: BTreeMap<String, f64> = self.agreements.iter().filter_map(named).collect();
        serde_json::json!(numbers)
    }
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}
