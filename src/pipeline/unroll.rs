//! One instance per stage, round and arm.

use std::collections::HashSet;

use mitune_stages::contract::reference::is_name;
use mitune_stages::contract::setting_limits::MOST_ROUNDS;

use super::alternatives::{Alternative, Unchosen, choose};
use super::arm::{Arm, StageName};
use super::for_each::{LIMIT, arms};
use super::spec::PipelineSpec;
use super::vars::{check_apart, vars};
use crate::document::{
    CopySpace, DocumentError, Entry, Mark, Node, Problem, Tree, Variables, substitute_within,
};

/// The part of the file a stage stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `stages`
    Stages,
    /// `rounds.stages`
    Rounds,
    /// `finally`
    Finally,
}

impl Block {
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::Stages => &["stages"],
            Self::Rounds => &["rounds", "stages"],
            Self::Finally => &["finally"],
        }
    }

    fn node(self, root: &Node) -> Option<&Node> {
        self.path().iter().try_fold(root, |node, step| node.get(step))
    }
}

/// A stage of the file in one round and arm, its variables filled in.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) name: StageName,
    pub(super) block: Block,
    pub(super) mark: Option<Mark>,
    pub(super) kind: String,
    pub(super) kind_mark: Option<Mark>,
    /// The settings without `kind`.
    pub(super) settings: Node,
    /// Which of several alternatives it is.
    alternative: Option<usize>,
}

impl Instance {
    /// Returns the path of the stage in the file.
    pub(super) fn path(&self) -> Vec<String> {
        owned(self.block.path())
            .into_iter()
            .chain([self.name.stage.clone()])
            .chain(self.alternative.map(|place| place.to_string()))
            .collect()
    }
}

/// All instances of a document, with the arms they are in.
pub(super) struct Unrolled {
    pub(super) instances: Vec<Instance>,
    pub(super) arms: Vec<Arm>,
    pub(super) rounds: u32,
    /// Stages of the file that stand nowhere, because no `when` of theirs holds, with their part of the file.
    pub(super) absent: Vec<(String, Block)>,
}

/// Lists all instances: `stages`, then the rounds one after the other, then `finally`.
///
/// Stages that no arm has are refused, unless some of the arms were left out from the command line.
pub(super) fn unroll(
    root: &Node,
    spec: &PipelineSpec,
    arms_left_out: bool,
) -> Result<Unrolled, DocumentError> {
    unique_names(root)?;
    let mut instances = Vec::new();
    let vars = vars(root)?;
    let nothing = (Arm::default(), vars.clone());
    let mut space = CopySpace::default();
    let mut unchosen = Unchosen::of(Block::Rounds.node(root));
    let mut add = |block, round, arm: &(Arm, Variables)| {
        add(&mut instances, root, block, round, arm, &mut space, &mut unchosen)
    };
    add(Block::Stages, None, &nothing)?;
    let rounds = spec.rounds.as_ref().map_or(0, |rounds| rounds.count);
    if spec.rounds.is_some() && rounds == 0 {
        let mark = root.mark_of(["rounds", "count"]);
        let error = DocumentError::rule(mark, "There must be at least one round");
        return Err(error.within(owned(&["rounds", "count"])));
    }
    if rounds > MOST_ROUNDS {
        let mark = root.mark_of(["rounds", "count"]);
        let error = DocumentError::rule(
            mark,
            format!("There are {rounds} rounds, more than {MOST_ROUNDS}"),
        );
        return Err(error.within(owned(&["rounds", "count"])));
    }
    let for_each = root.get("rounds").and_then(|rounds| rounds.get("for_each"));
    let mut arms = arms(for_each).map_err(|error| error.within(owned(&["rounds", "for_each"])))?;
    for (arm, variables) in &mut arms {
        check_apart(root, &vars, variables, arm)?;
        variables.add(&vars);
    }
    for round in 1..=rounds {
        for arm in &arms {
            add(Block::Rounds, Some(round), arm)?;
        }
    }
    add(Block::Finally, None, &nothing)?;
    if !arms_left_out {
        unchosen
            .check()
            .map_err(|error| error.within(owned(Block::Rounds.path())))?;
    }
    if instances.is_empty() {
        return Err(DocumentError::rule(root.mark, "The pipeline has no stages"));
    }
    Ok(Unrolled {
        absent: absent(root, &instances),
        instances,
        arms: arms.into_iter().map(|(arm, _)| arm).collect(),
        rounds,
    })
}

/// The names of the file of which there is no instance.
fn absent(root: &Node, instances: &[Instance]) -> Vec<(String, Block)> {
    let there: HashSet<&str> = instances
        .iter()
        .map(|instance| instance.name.stage.as_str())
        .collect();
    let mut absent = Vec::new();
    for block in [Block::Stages, Block::Rounds, Block::Finally] {
        let entries = block.node(root).map_or(&[][..], Node::entries).iter();
        let names = entries.map(|entry| entry.key.as_str());
        let names = names.filter(|name| !there.contains(name));
        absent.extend(names.map(|name| (name.to_owned(), block)));
    }
    absent
}

fn add(
    instances: &mut Vec<Instance>,
    root: &Node,
    block: Block,
    round: Option<u32>,
    (arm, variables): &(Arm, Variables),
    space: &mut CopySpace,
    unchosen: &mut Unchosen<'_>,
) -> Result<(), DocumentError> {
    let Some(stages) = block.node(root) else {
        return Ok(());
    };
    let here = |error: DocumentError| error.within(owned(block.path()));
    if !matches!(stages.tree, Tree::Map(_) | Tree::Null) {
        return Err(here(stages.wrong("a map of stage names to settings")));
    }
    let mut variables = variables.clone();
    if let Some(round) = round {
        variables.insert("round", Tree::Integer(i128::from(round).into()));
    }
    for entry in stages.entries() {
        let name = StageName {
            stage: entry.key.clone(),
            round,
            arm: arm.clone(),
        };
        let inside = |error: DocumentError| here(error.inside(&entry.key, entry.mark));
        let Some(alternative) = choose(entry, &variables).map_err(inside)? else {
            continue;
        };
        unchosen.remove(&entry.key, alternative.place);
        let instance = instance(entry, &alternative, block, name, &variables, space).map_err(inside)?;
        instances.push(instance);
        if instances.len() > LIMIT {
            return Err(here(DocumentError::rule(
                entry.mark,
                format!("More than {LIMIT} stages"),
            )));
        }
    }
    Ok(())
}

fn instance(
    entry: &Entry,
    alternative: &Alternative<'_>,
    block: Block,
    name: StageName,
    variables: &Variables,
    space: &mut CopySpace,
) -> Result<Instance, DocumentError> {
    if !is_name(&entry.key) || entry.key == "previous" {
        return Err(DocumentError::rule(
            entry.mark,
            format!("`{}` cannot be the name of a stage", entry.key),
        ));
    }
    let within = |error: DocumentError| match alternative.place {
        Some(place) => error.inside(place.to_string(), alternative.settings.mark),
        None => error,
    };
    let mut settings = substitute_within(&alternative.settings, variables, space).map_err(within)?;
    let Tree::Map(entries) = &mut settings.tree else {
        return Err(within(
            alternative.settings.wrong("settings such as `{kind: ...}`"),
        ));
    };
    let Some(index) = entries.iter().position(|entry| entry.key == "kind") else {
        let problem = Problem::MissingKey {
            key: "kind".to_owned(),
        };
        return Err(within(DocumentError::new(entry.mark, problem)));
    };
    let kind = entries.remove(index);
    let Tree::Text(kind_name) = kind.value.tree else {
        return Err(within(kind.value.wrong("a text").inside("kind", kind.mark)));
    };
    Ok(Instance {
        name,
        block,
        mark: alternative.place.and(alternative.settings.mark).or(entry.mark),
        kind: kind_name,
        kind_mark: kind.value.mark,
        settings,
        alternative: alternative.place,
    })
}

/// Refuses a stage name that stands in two blocks: a reference could mean either.
fn unique_names(root: &Node) -> Result<(), DocumentError> {
    let mut seen: Vec<&str> = Vec::new();
    for block in [Block::Stages, Block::Rounds, Block::Finally] {
        for entry in block.node(root).map_or(&[][..], Node::entries) {
            if seen.contains(&entry.key.as_str()) {
                let message = format!("Stage `{}` stands in two blocks", entry.key);
                return Err(DocumentError::rule(entry.mark, message).within(owned(block.path())));
            }
            seen.push(&entry.key);
        }
    }
    Ok(())
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|&step| step.to_owned()).collect()
}
