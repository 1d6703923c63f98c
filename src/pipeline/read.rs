//! Reading a pipeline file.

use std::path::{Path, PathBuf};

use mitune_stages::contract::{Stage, StageDefaults};

use super::arm::Arm;
use super::connect::{PipelineStage, Scope};
use super::dag::topological_order;
use super::error::PipelineError;
use super::first_round::leave_out_previous;
use super::kinds::{BuildError, StageKinds};
use super::spec::PipelineSpec;
use super::tell_inputs::tell_inputs;
use super::unroll::{Instance, Unrolled, unroll};
use super::vars::{check_assignment, substitute_outside_stages};
use crate::document::{Assignment, DocumentError, Node, Problem, Tree, deserialize, load, variable_in};
use crate::user_folders::home_folder;

/// Most bytes of a pipeline file.
const MOST_BYTES: u64 = 16 << 20;

/// A checked pipeline whose stages can be run one after the other.
pub struct Pipeline {
    /// The file.
    pub file: PathBuf,
    /// What the file says besides stages.
    pub spec: PipelineSpec,
    /// The arms, in the order of the file; one without variables if there is no `for_each`.
    pub arms: Vec<Arm>,
    /// The stages; each reads only from those before it.
    pub stages: Vec<PipelineStage>,
}

/// Reads and checks a pipeline file after applying `--set` assignments.
///
/// # Errors
/// [`PipelineError`] with the position of the first mistake.
pub fn read(
    file: &Path,
    assignments: &[Assignment],
    kinds: &dyn StageKinds,
) -> Result<Pipeline, PipelineError> {
    let text = mitune_bounded_file::read_text(file, MOST_BYTES)?;
    parse(file, &text, assignments, kinds)
}

/// Checks the text of a pipeline file; relative paths in it start at the folder of `file`.
///
/// # Errors
/// [`PipelineError`] with the position of the first mistake.
pub fn parse(
    file: &Path,
    text: &str,
    assignments: &[Assignment],
    kinds: &dyn StageKinds,
) -> Result<Pipeline, PipelineError> {
    let document = |error| PipelineError::Document {
        file: file.to_owned(),
        error,
    };
    let mut root = load(text).map_err(document)?;
    for assignment in assignments {
        check_assignment(&root, assignment)?;
        assignment.apply(&mut root)?;
    }
    substitute_outside_stages(&mut root).map_err(document)?;
    let spec: PipelineSpec = deserialize(&root).map_err(document)?;
    if spec.name.trim().is_empty() || spec.name.contains(char::is_control) {
        let error = DocumentError::rule(
            root.mark_of(["name"]),
            "The name of a pipeline is one line of text",
        );
        return Err(document(error.inside("name", None)));
    }
    let defaults = StageDefaults {
        directory: file.parent().map(Path::to_owned).unwrap_or_default(),
        home: home_folder(),
        model: spec.model.clone(),
        seed: spec.seed,
        dtype: spec.dtype,
    };
    let for_each = ["rounds", "for_each"].map(str::to_owned);
    let arms_left_out = assignments
        .iter()
        .any(|assignment| assignment.path().starts_with(&for_each));
    let mut unrolled = unroll(&root, &spec, arms_left_out).map_err(document)?;
    let mut stages = build(file, &root, &unrolled.instances, &defaults, kinds)?;
    leave_out_previous(&mut unrolled.instances, &mut stages, &defaults, kinds);
    let mut stages = connect_and_order(&unrolled, stages).map_err(document)?;
    tell_inputs(file, &mut stages)?;
    check_repetitions(&root, &spec, &unrolled.arms).map_err(document)?;
    Ok(Pipeline {
        file: file.to_owned(),
        spec,
        arms: unrolled.arms,
        stages,
    })
}

impl Pipeline {
    /// Place of the value of an arm that the report takes for a repetition.
    pub fn repetition(&self) -> Option<usize> {
        repetition(&self.spec, &self.arms)
    }
}

fn repetition(spec: &PipelineSpec, arms: &[Arm]) -> Option<usize> {
    let name = spec.report.as_ref()?.repetitions.as_ref()?;
    arms.first()?.0.iter().position(|(variable, _)| variable == name)
}

fn check_repetitions(root: &Node, spec: &PipelineSpec, arms: &[Arm]) -> Result<(), DocumentError> {
    let path = ["report", "repetitions"];
    let named = spec
        .report
        .as_ref()
        .and_then(|report| report.repetitions.as_ref());
    match (named, repetition(spec, arms)) {
        (Some(name), None) => {
            let message = format!("`{name}` is no variable that names the arms of `for_each`");
            let error = DocumentError::rule(root.mark_of(path), message);
            Err(error.within(path.map(str::to_owned).to_vec()))
        }
        _ => Ok(()),
    }
}

fn build(
    file: &Path,
    root: &Node,
    instances: &[Instance],
    defaults: &StageDefaults,
    kinds: &dyn StageKinds,
) -> Result<Vec<Box<dyn Stage>>, PipelineError> {
    let known = kinds.names();
    let build_one = |instance: &Instance| {
        let document = |mut error: DocumentError| {
            error.mark = error.mark.or(instance.mark);
            let mut error = error.within(instance.path());
            name_variable(root, &mut error);
            PipelineError::Document {
                file: file.to_owned(),
                error,
            }
        };
        if !known.contains(&instance.kind.as_str()) {
            let known = known.iter().map(|&name| name.to_owned()).collect();
            let problem = Problem::UnknownKind {
                name: instance.kind.clone(),
                known,
            };
            return Err(document(
                DocumentError::new(instance.kind_mark, problem).inside("kind", None),
            ));
        }
        kinds
            .build(&instance.kind, &instance.settings, defaults)
            .map_err(|error| match error {
                BuildError::Document(error) => document(error),
                BuildError::Stage(source) => PipelineError::Stage {
                    file: file.to_owned(),
                    mark: instance.mark,
                    stage: instance.name.to_string(),
                    source,
                },
            })
    };
    instances.iter().map(build_one).collect()
}

/// Adds to a value of the wrong type what stands for it in the file, if it came from a variable.
fn name_variable(root: &Node, error: &mut DocumentError) {
    let written = error.path.iter().try_fold(root, |node, step| match &node.tree {
        Tree::List(items) => items.get(step.parse::<usize>().ok()?),
        _ => node.get(step),
    });
    if let Problem::Type { found, .. } = &mut error.problem
        && let Some(Tree::Text(text)) = written.map(|node| &node.tree)
        && let Some(name) = variable_in(text)
    {
        found.push_str(&format!(" from `${{{name}}}`"));
    }
}

fn connect_and_order(
    unrolled: &Unrolled,
    stages: Vec<Box<dyn Stage>>,
) -> Result<Vec<PipelineStage>, DocumentError> {
    let Unrolled {
        instances,
        arms,
        rounds,
        absent,
    } = unrolled;
    let scope = Scope {
        instances,
        stages: &stages,
        arms,
        rounds: *rounds,
        absent,
    };
    let ports = (0..instances.len())
        .map(|index| scope.connect(index))
        .collect::<Result<Vec<_>, _>>()?;
    let mut connected: Vec<Option<PipelineStage>> = instances
        .iter()
        .zip(stages)
        .zip(ports)
        .map(|((instance, stage), inputs)| {
            let Instance {
                name, mark, block, ..
            } = instance;
            Some(PipelineStage {
                name: name.clone(),
                mark: *mark,
                block: *block,
                stage,
                inputs,
            })
        })
        .collect();
    let depends_on: Vec<Vec<usize>> = connected
        .iter()
        .flatten()
        .map(PipelineStage::depends_on)
        .collect();
    let order = topological_order(&depends_on).map_err(|cycle| {
        let names: Vec<String> = cycle
            .iter()
            .map(|&index| format!("`{}`", instances[index].name))
            .collect();
        let message = format!("Stages wait for each other: {}", names.join(" -> "));
        DocumentError::rule(instances[cycle[0]].mark, message)
    })?;
    let mut place = vec![0; order.len()];
    for (position, &index) in order.iter().enumerate() {
        place[index] = position;
    }
    let mut ordered: Vec<PipelineStage> = order
        .into_iter()
        .filter_map(|index| connected[index].take())
        .collect();
    for source in ordered
        .iter_mut()
        .flat_map(|stage| &mut stage.inputs)
        .flat_map(|port| &mut port.sources)
    {
        source.stage = place[source.stage];
    }
    Ok(ordered)
}
