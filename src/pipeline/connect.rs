//! Following references from stage to stage.

use mitune_stages::contract::reference::Reference;
use mitune_stages::contract::{Arity, InputPort, OutputPort, Stage};
use mitune_store::MOST_INPUTS;

use super::arm::{Arm, StageName};
use super::unroll::{Block, Instance};
use crate::document::{DocumentError, Mark, Problem};

/// A stage of a pipeline, connected to others.
pub struct PipelineStage {
    /// Name, with round and arm.
    pub name: StageName,
    /// Where the stage stands in the file.
    pub mark: Option<Mark>,
    /// The part of the file it stands in.
    pub block: Block,
    /// What it does.
    pub stage: Box<dyn Stage>,
    /// What it reads, in the order of [`Stage::inputs`].
    pub inputs: Vec<ConnectedPort>,
}

impl PipelineStage {
    /// Returns the positions of the stages it reads from, each once, in order.
    pub fn depends_on(&self) -> Vec<usize> {
        let mut stages: Vec<usize> = self.sources().map(|source| source.stage).collect();
        stages.sort_unstable();
        stages.dedup();
        stages
    }

    /// Goes through all outputs it reads.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.inputs.iter().flat_map(|port| &port.sources)
    }
}

/// An input port with what is connected to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedPort {
    /// Name of the port.
    pub port: &'static str,
    /// True if the port takes a list.
    pub many: bool,
    /// The outputs it reads.
    pub sources: Vec<Source>,
}

/// An output of another stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Position of the stage in the pipeline.
    pub stage: usize,
    /// Name of the output.
    pub output: &'static str,
}

/// The instances of a pipeline with their stages, among which references are looked up.
pub(super) struct Scope<'a> {
    pub(super) instances: &'a [Instance],
    pub(super) stages: &'a [Box<dyn Stage>],
    pub(super) arms: &'a [Arm],
    pub(super) rounds: u32,
    /// Stages of the file that stand nowhere, with their part of it.
    pub(super) absent: &'a [(String, Block)],
}

impl Scope<'_> {
    /// Connects all input ports of one instance.
    pub(super) fn connect(&self, index: usize) -> Result<Vec<ConnectedPort>, DocumentError> {
        let instance = &self.instances[index];
        let ports = self.stages[index].inputs();
        let ports = ports.iter().map(|port| self.connect_port(instance, port));
        let ports = ports.collect::<Result<Vec<_>, _>>()?;
        check_count(instance, &ports)?;
        Ok(ports)
    }

    fn connect_port(&self, instance: &Instance, port: &InputPort) -> Result<ConnectedPort, DocumentError> {
        let many = port.arity == Arity::Many;
        let mut sources = Vec::new();
        for (position, reference) in port.references.iter().enumerate() {
            let mut path = vec![port.port.to_owned()];
            path.extend(many.then(|| position.to_string()));
            let resolved = self.resolve(instance, port, reference).map_err(|problem| {
                let mark = instance
                    .settings
                    .mark_of(path.iter().map(String::as_str))
                    .or(instance.mark);
                DocumentError {
                    mark,
                    path: instance.path().into_iter().chain(path).collect(),
                    problem,
                }
            })?;
            sources.extend(resolved);
        }
        Ok(ConnectedPort {
            port: port.port,
            many,
            sources,
        })
    }

    fn resolve(
        &self,
        instance: &Instance,
        port: &InputPort,
        reference: &Reference,
    ) -> Result<Vec<Source>, Problem> {
        if reference.has_wildcard() && port.arity != Arity::Many {
            return Err(rule(format!(
                "`{reference}` stands for several, but `{}` takes one",
                port.port
            )));
        }
        let targets = self.targets(instance, reference)?;
        if targets.is_empty() && port.arity == Arity::One {
            let why = match reference.previous && instance.name.round == Some(1) {
                true => "is empty in the first round",
                false if instance.name.round.is_none() => "stands for no stage, since no `when` of it holds",
                false => "is no stage of this arm",
            };
            return Err(rule(format!(
                "`{reference}` {why}, but `{}` needs a value",
                port.port
            )));
        }
        targets
            .into_iter()
            .map(|stage| self.source(stage, port, reference))
            .collect()
    }

    /// Picks the output of a stage and checks that the port takes it.
    fn source(&self, stage: usize, port: &InputPort, reference: &Reference) -> Result<Source, Problem> {
        let outputs: &[OutputPort] = self.stages[stage].outputs();
        let output = match &reference.output {
            None => outputs.first(),
            Some(name) => outputs.iter().find(|output| output.name == name),
        }
        .ok_or_else(|| Problem::UnknownName {
            what: "output",
            name: reference.output.clone().unwrap_or_default(),
            known: outputs.iter().map(|output| output.name.to_owned()).collect(),
        })?;
        if port.accepts.contains(&output.content) {
            return Ok(Source {
                stage,
                output: output.name,
            });
        }
        let accepted: Vec<String> = port.accepts.iter().map(ToString::to_string).collect();
        let accepted = accepted.join(" or ");
        Err(rule(format!(
            "`{}` takes {accepted}, but `{reference}` holds {}",
            port.port, output.content
        )))
    }
}

/// Checks that the record of a stage will have room for its inputs, before hours go into a result that has no record.
fn check_count(instance: &Instance, ports: &[ConnectedPort]) -> Result<(), DocumentError> {
    let found: usize = ports.iter().map(|port| port.sources.len()).sum();
    let Some(largest) = ports.iter().max_by_key(|port| port.sources.len()) else {
        return Ok(());
    };
    if found <= MOST_INPUTS {
        return Ok(());
    }
    let message = format!(
        "Stage `{}` has {found} inputs, at most {MOST_INPUTS} fit into the record of its result; divide them among \
         several stages",
        instance.name
    );
    let mark = instance.settings.mark_of([largest.port]).or(instance.mark);
    let path = instance.path().into_iter().chain([largest.port.to_owned()]);
    Err(DocumentError::rule(mark, message).within(path.collect()))
}

pub(super) fn rule(message: impl Into<String>) -> Problem {
    Problem::Rule {
        message: message.into(),
    }
}
