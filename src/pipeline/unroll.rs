//! One instance per stage, round and arm.

use mitune_stages::contract::reference::is_name;
use mitune_stages::contract::setting_limits::MOST_ROUNDS;

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
}

impl Instance {
    /// Returns the path of the stage in the file.
    pub(super) fn path(&self) -> Vec<String> {
        owned(self.block.path())
            .into_iter()
            .chain([self.name.stage.clone()])
            .collect()
    }
}

/// All instances of a document, with the arms they are in.
pub(super) struct Unrolled {
    pub(super) instances: Vec<Instance>,
    pub(super) arms: Vec<Arm>,
    pub(super) rounds: u32,
}

/// Lists all instances: `stages`, then the rounds one after the other, then `finally`.
pub(super) fn unroll(root: &Node, spec: &PipelineSpec) -> Result<Unrolled, DocumentError> {
    unique_names(root)?;
    let mut instances = Vec::new();
    let vars = vars(root)?;
    let nothing = (Arm::default(), vars.clone());
    let mut space = CopySpace::default();
    add(&mut instances, root, Block::Stages, None, &nothing, &mut space)?;
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
            add(&mut instances, root, Block::Rounds, Some(round), arm, &mut space)?;
        }
    }
    add(&mut instances, root, Block::Finally, None, &nothing, &mut space)?;
    if instances.is_empty() {
        return Err(DocumentError::rule(root.mark, "The pipeline has no stages"));
    }
    Ok(Unrolled {
        instances,
        arms: arms.into_iter().map(|(arm, _)| arm).collect(),
        rounds,
    })
}

fn add(
    instances: &mut Vec<Instance>,
    root: &Node,
    block: Block,
    round: Option<u32>,
    (arm, variables): &(Arm, Variables),
    space: &mut CopySpace,
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
        let instance = instance(entry, block, name, &variables, space)
            .map_err(|error| here(error.inside(&entry.key, entry.mark)))?;
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
    let mut settings = substitute_within(&entry.value, variables, space)?;
    let Tree::Map(entries) = &mut settings.tree else {
        return Err(entry.value.wrong("settings such as `{kind: ...}`"));
    };
    let Some(index) = entries.iter().position(|entry| entry.key == "kind") else {
        return Err(DocumentError::new(
            entry.mark,
            Problem::MissingKey {
                key: "kind".to_owned(),
            },
        ));
    };
    let kind = entries.remove(index);
    let Tree::Text(kind_name) = kind.value.tree else {
        return Err(kind.value.wrong("a text").inside("kind", kind.mark));
    };
    Ok(Instance {
        name,
        block,
        mark: entry.mark,
        kind: kind_name,
        kind_mark: kind.value.mark,
        settings,
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
