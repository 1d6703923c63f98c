//! Which stages a reference means.

use mitune_stages::contract::reference::{Reference, RoundSelector};

use super::arm::Arm;
use super::connect::{Scope, rule};
use super::unroll::{Block, Instance};
use crate::document::Problem;

impl Scope<'_> {
    /// Returns the positions of the stages a reference means; none for `previous.` in the first round, and for a stage
    /// whose `when` does not hold.
    pub(super) fn targets(&self, instance: &Instance, reference: &Reference) -> Result<Vec<usize>, Problem> {
        let named: Vec<usize> = (0..self.instances.len())
            .filter(|&i| self.instances[i].name.stage == reference.stage)
            .collect();
        let in_rounds = self.block(reference, named.first().copied())? == Block::Rounds;
        if reference.previous {
            return self.previous(instance, reference, &named, in_rounds);
        }
        if !in_rounds {
            if reference.round.is_some() || !reference.arms.is_empty() {
                let message = format!(
                    "`{}` is not in `rounds`, so it has neither round nor arm",
                    reference.stage
                );
                return Err(rule(message));
            }
            return Ok(named);
        }
        let round = self.round(instance, reference)?;
        let arms = self.matching_arms(instance, reference)?;
        let meant = |&i: &usize| {
            let name = &self.instances[i].name;
            (round.is_none() || name.round == round) && arms.contains(&&name.arm)
        };
        Ok(named.into_iter().filter(meant).collect())
    }

    /// The part of the file a stage stands in, of which this is the first instance if there is any.
    fn block(&self, reference: &Reference, first: Option<usize>) -> Result<Block, Problem> {
        if let Some(first) = first {
            return Ok(self.instances[first].block);
        }
        if let Some((_, block)) = self.absent.iter().find(|(name, _)| *name == reference.stage) {
            return Ok(*block);
        }
        let there = self.instances.iter().map(|other| &other.name.stage);
        let absent = self.absent.iter().map(|(name, _)| name);
        let mut known: Vec<String> = there.chain(absent).cloned().collect();
        known.sort_unstable();
        known.dedup();
        Err(Problem::UnknownStage {
            name: reference.stage.clone(),
            known,
        })
    }

    fn previous(
        &self,
        instance: &Instance,
        reference: &Reference,
        named: &[usize],
        in_rounds: bool,
    ) -> Result<Vec<usize>, Problem> {
        let Some(round) = instance.name.round else {
            return Err(rule("`previous.` has a meaning only inside `rounds`"));
        };
        if !in_rounds {
            let message = format!(
                "`{0}` is not in `rounds`: write `{0}` without `previous.`",
                reference.stage
            );
            return Err(rule(message));
        }
        let before = |&i: &usize| {
            let name = &self.instances[i].name;
            name.round == Some(round - 1) && name.arm == instance.name.arm
        };
        Ok(named.iter().copied().filter(before).collect())
    }

    /// Returns the round a reference means, `None` for all of them.
    fn round(&self, instance: &Instance, reference: &Reference) -> Result<Option<u32>, Problem> {
        match (reference.round, instance.name.round) {
            (Some(RoundSelector::Number(number)), _) if number <= self.rounds => Ok(Some(number)),
            (Some(RoundSelector::Number(number)), _) => {
                let count = self.rounds;
                Err(rule(format!(
                    "`{reference}` asks for round {number}, but `count` is {count}"
                )))
            }
            (Some(RoundSelector::First), _) => Ok(Some(1)),
            (Some(RoundSelector::Last), _) => Ok(Some(self.rounds)),
            (Some(RoundSelector::All), _) => Ok(None),
            (None, Some(own)) => Ok(Some(own)),
            (None, None) => {
                let stage = &reference.stage;
                Err(rule(format!(
                    "`{stage}` exists once per round: write `{stage}@last` or another round"
                )))
            }
        }
    }

    /// Returns the arms a reference means.
    fn matching_arms(&self, instance: &Instance, reference: &Reference) -> Result<Vec<&Arm>, Problem> {
        let variables = self.arms[0].0.len();
        if reference.arms.is_empty() {
            if instance.block != Block::Rounds && variables > 0 {
                let example: Vec<&str> = self.arms[0].0.iter().map(|(_, value)| value.as_str()).collect();
                let example = example.join("/");
                return Err(rule(format!(
                    "`{reference}` exists once per arm: write `{reference}/{example}`"
                )));
            }
            return Ok(self
                .arms
                .iter()
                .filter(|arm| **arm == instance.name.arm)
                .collect());
        }
        if reference.arms.len() != variables {
            let given = reference.arms.len();
            return Err(rule(format!(
                "`{reference}` names {given} values, but `for_each` has {variables} variables"
            )));
        }
        for (position, wanted) in reference.arms.iter().enumerate() {
            let mut known: Vec<String> = self.arms.iter().map(|arm| arm.0[position].1.clone()).collect();
            known.sort_unstable();
            known.dedup();
            if wanted != "*" && !known.contains(wanted) {
                return Err(Problem::UnknownName {
                    what: "arm",
                    name: wanted.clone(),
                    known,
                });
            }
        }
        let fits = |arm: &&Arm| {
            arm.0
                .iter()
                .zip(&reference.arms)
                .all(|((_, value), wanted)| wanted == "*" || value == wanted)
        };
        Ok(self.arms.iter().filter(fits).collect())
    }
}
