//! Which tables an objective is trained on.

use super::config::FinetuneConfig;
use super::objective::ObjectiveConfig;
use crate::contract::reference::Reference;
use crate::contract::{Content, InputPort, KnownInputs};

/// Name of the port for the images of the denoising loss.
pub(super) const SELECTION_PORT: &str = "selection";

/// Name of the port for further selections.
pub(super) const JOINT_PORT: &str = "joint_with";

/// Name of the port for preferred and rejected images.
pub(super) const PAIRS_PORT: &str = "pairs";

/// Name of the port for images that count more or less.
pub(super) const WEIGHTS_PORT: &str = "weights";

/// Name of the port for matched and mismatched images and prompts.
pub(super) const CONTRASTS_PORT: &str = "contrasts";

/// Name of the port for what images and prompts look like.
pub(super) const FEATURES_PORT: &str = "features";

/// The ports of which an objective needs some.
pub(super) const DATA_PORTS: [&str; 6] = [
    SELECTION_PORT,
    JOINT_PORT,
    PAIRS_PORT,
    WEIGHTS_PORT,
    CONTRASTS_PORT,
    FEATURES_PORT,
];

/// What `selection` and `joint_with` take.
const IMAGES: &[Content] = &[Content::Selection, Content::Latents];

/// Tables that do not go with the objective.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PortError {
    #[error("Objective `{objective}` is trained on `{port}`, which is not set: name {content} there")]
    Missing {
        objective: &'static str,
        port: &'static str,
        content: &'static str,
    },
    #[error(
        "Objective `{objective}` is trained on `{port}`, whose references stand for no stage here: name {content} that \
         this arm and round have"
    )]
    Nothing {
        objective: &'static str,
        port: &'static str,
        content: &'static str,
    },
    #[error(
        "No table of `features` is about the candidates of stage `{origin}`, whose images are in {pairs}: add an `embed` \
         stage of these pairs"
    )]
    Unrelated { pairs: String, origin: String },
    #[error(
        "Setting `{port}` has no meaning with the objective `{objective}`, which is trained on `{}`: leave it out, or \
         choose another `objective`",
        expected.join("` and `")
    )]
    Unneeded {
        objective: &'static str,
        port: &'static str,
        expected: &'static [&'static str],
    },
}

impl ObjectiveConfig {
    /// The ports without which it has nothing to train on.
    fn needs(&self) -> &'static [&'static str] {
        match self {
            Self::Denoising {} => &[SELECTION_PORT],
            Self::Sft {} | Self::Dpo { .. } | Self::FDpo { .. } => &[PAIRS_PORT],
            Self::Gors {} => &[WEIGHTS_PORT],
            Self::Rpo { .. } => &[PAIRS_PORT, FEATURES_PORT],
            Self::HnItm { .. } => &[CONTRASTS_PORT],
        }
    }

    fn takes(&self, port: &str) -> bool {
        self.needs().contains(&port) || (port == JOINT_PORT && matches!(self, Self::Denoising {}))
    }
}

impl FinetuneConfig {
    /// Checks that the tables are set that the objective is trained on, and no others.
    pub(super) fn check_ports(&self) -> Result<(), PortError> {
        let objective = self.objective.name();
        let set = |port: &str| !self.references(port).is_empty();
        let unneeded = DATA_PORTS
            .into_iter()
            .find(|port| set(port) && !self.objective.takes(port));
        if let Some(port) = unneeded {
            return Err(PortError::Unneeded {
                objective,
                port,
                expected: self.objective.needs(),
            });
        }
        match self.objective.needs().iter().find(|port| !set(port)) {
            None => Ok(()),
            Some(&port) => Err(PortError::Missing {
                objective,
                port,
                content: described(port),
            }),
        }
    }

    /// Checks that something is connected to the ports that the objective is trained on: a list of references may stand
    /// for no stage of an arm.
    pub(super) fn check_connected(&self, inputs: &KnownInputs) -> Result<(), PortError> {
        let objective = self.objective.name();
        let mut needs = self.objective.needs().iter();
        match needs.find(|port| inputs.of(port).is_empty()) {
            None => check_features(inputs),
            Some(&port) => Err(PortError::Nothing {
                objective,
                port,
                content: described(port),
            }),
        }
    }

    /// The port whose tables come first, before the adapter and the model.
    pub(super) fn selection_port(&self) -> Option<InputPort> {
        let selection = self.selection.as_ref()?;
        Some(InputPort::one(SELECTION_PORT, IMAGES, selection))
    }

    /// The ports that take a list; those without references are left out, so that trainings on one selection keep their
    /// keys.
    pub(super) fn list_ports(&self) -> Vec<InputPort> {
        let ports = DATA_PORTS.into_iter().filter(|port| *port != SELECTION_PORT);
        ports
            .map(|port| InputPort::many(port, accepted(port), &self.references(port)))
            .filter(|port| !port.references.is_empty())
            .collect()
    }

    fn references(&self, port: &str) -> Vec<Reference> {
        match port {
            JOINT_PORT => self.joint_with.clone(),
            PAIRS_PORT => self.pairs.clone(),
            WEIGHTS_PORT => self.weights.clone(),
            CONTRASTS_PORT => self.contrasts.clone(),
            FEATURES_PORT => self.features.clone(),
            _ => self.selection.iter().cloned().collect(),
        }
    }
}

/// Checks that there are features of the images of all pairs, as far as is known where both come from: other candidates
/// may have the same prompts and seed indices, so the rows of the tables do not tell.
fn check_features(inputs: &KnownInputs) -> Result<(), PortError> {
    let features = inputs.of(FEATURES_PORT).iter();
    let Some(known) = features
        .map(|input| input.candidates.as_deref())
        .collect::<Option<Vec<&str>>>()
    else {
        return Ok(());
    };
    let mut pairs = inputs.of(PAIRS_PORT).iter().enumerate();
    let unrelated = pairs.find_map(|(position, input)| {
        let origin = input.candidates.as_deref()?;
        (!known.is_empty() && !known.contains(&origin)).then(|| PortError::Unrelated {
            pairs: inputs.name_in_list(PAIRS_PORT, position),
            origin: origin.to_owned(),
        })
    });
    unrelated.map_or(Ok(()), Err)
}

fn accepted(port: &str) -> &'static [Content] {
    match port {
        PAIRS_PORT => &[Content::Pairs],
        WEIGHTS_PORT => &[Content::Weights],
        CONTRASTS_PORT => &[Content::Contrasts],
        FEATURES_PORT => &[Content::Features],
        _ => IMAGES,
    }
}

fn described(port: &str) -> &'static str {
    match port {
        PAIRS_PORT => "the pairs of a `pair` stage",
        WEIGHTS_PORT => "the weights of a `weigh` stage",
        CONTRASTS_PORT => "the contrasts of a `contrast` stage",
        FEATURES_PORT => "the features of an `embed` stage about the same pairs",
        _ => "a selection, or latents of images",
    }
}
