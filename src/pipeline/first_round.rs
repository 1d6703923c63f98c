//! The first round, in which nothing was made before.

use mitune_stages::contract::{Arity, MODEL_PORT, Stage, StageDefaults};

use super::kinds::StageKinds;
use super::unroll::Instance;
use crate::document::{Node, Tree};

/// Leaves out `model_from: previous.MODEL` in the first round, so that it means the pipeline's model there, as `adapter:
/// previous.ADAPTER` means no adapter.
///
/// Where there is no such model the setting stays, and is told of where references are followed.
pub(super) fn leave_out_previous(
    instances: &mut [Instance],
    stages: &mut [Box<dyn Stage>],
    defaults: &StageDefaults,
    kinds: &dyn StageKinds,
) {
    for (instance, stage) in instances.iter_mut().zip(stages) {
        if instance.name.round != Some(1) {
            continue;
        }
        let needed = stage.inputs().into_iter().any(|port| {
            let previous = port.references.iter().any(|reference| reference.previous);
            port.port == MODEL_PORT && port.arity == Arity::One && previous
        });
        if !needed {
            continue;
        }
        let settings = without(&instance.settings, MODEL_PORT);
        if let Ok(built) = kinds.build(&instance.kind, &settings, defaults) {
            *stage = built;
            instance.settings = settings;
        }
    }
}

fn without(settings: &Node, key: &str) -> Node {
    let others = settings.entries().iter().filter(|entry| entry.key != key);
    Node {
        mark: settings.mark,
        tree: Tree::Map(others.cloned().collect()),
    }
}
