//! Which attention maps are wanted of a denoiser.

use super::attention_maps::{AttentionKind, AttentionMap};

/// The attention maps that somebody wants to see; by default of every resolution and with their graph.
///
/// Each map costs memory for every pair of position and token, which the kernels otherwise never hold, so one
/// asks for no more than one looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionRequest {
    kinds: Vec<AttentionKind>,
    /// None means every one.
    sizes: Option<Vec<[usize; 2]>>,
    graph: bool,
}

impl AttentionRequest {
    /// Wants the layers of these kinds.
    pub fn of(kinds: &[AttentionKind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            sizes: None,
            graph: true,
        }
    }

    /// Wants only layers whose image has one of these heights and widths.
    #[must_use]
    pub fn at(self, sizes: &[[usize; 2]]) -> Self {
        Self {
            sizes: Some(sizes.to_vec()),
            ..self
        }
    }

    /// Wants numbers alone: no gradient goes through the maps, as for masks.
    #[must_use]
    pub fn without_graph(self) -> Self {
        Self { graph: false, ..self }
    }

    /// Whether a layer of this kind that sees an image of this height and width is among the wanted.
    pub fn wants(&self, kind: AttentionKind, size: [usize; 2]) -> bool {
        let at_size = self.sizes.as_ref().is_none_or(|sizes| sizes.contains(&size));
        self.kinds.contains(&kind) && at_size
    }

    /// Takes those of the maps that are wanted, with their graph or without it.
    pub fn choose(&self, maps: Vec<AttentionMap>) -> Vec<AttentionMap> {
        maps.into_iter()
            .filter(|map| self.wants(map.kind, map.size))
            .map(|map| self.hand_out(map))
            .collect()
    }

    /// A request that leaves out nothing that one of both wants; each then [chooses](Self::choose) its own.
    #[must_use]
    pub fn united(&self, other: &Self) -> Self {
        let sizes = self.sizes.as_ref().zip(other.sizes.as_ref());
        Self {
            kinds: [self.kinds.as_slice(), &other.kinds].concat(),
            sizes: sizes.map(|(own, others)| [own.as_slice(), others].concat()),
            graph: self.graph || other.graph,
        }
    }

    /// Cuts the map off its graph if that is not wanted.
    pub(crate) fn hand_out(&self, map: AttentionMap) -> AttentionMap {
        match self.graph {
            true => map,
            false => map.map(|probabilities| probabilities.detach()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AttentionKind::{CrossAttention, SelfAttention};
    use super::*;

    #[test]
    fn a_layer_is_wanted_by_kind_and_size() {
        let everywhere = AttentionRequest::of(&[CrossAttention]);
        assert!(everywhere.wants(CrossAttention, [16, 16]) && everywhere.wants(CrossAttention, [3, 5]));
        assert!(!everywhere.wants(SelfAttention, [16, 16]));
        let small = AttentionRequest::of(&[SelfAttention]).at(&[[16, 16], [8, 8]]);
        assert!(small.wants(SelfAttention, [8, 8]));
        assert!(!small.wants(SelfAttention, [8, 16]) && !small.wants(CrossAttention, [8, 8]));
    }

    #[test]
    fn united_requests_leave_out_nothing() {
        let cross = AttentionRequest::of(&[CrossAttention]).at(&[[16, 16]]);
        let own = AttentionRequest::of(&[SelfAttention])
            .at(&[[8, 8]])
            .without_graph();
        let both = cross.united(&own);
        assert!(both.wants(CrossAttention, [16, 16]) && both.wants(SelfAttention, [8, 8]));
        assert!(!both.wants(CrossAttention, [4, 4]));
        assert!(both.graph && !own.united(&own).graph);
        let everywhere = cross.united(&AttentionRequest::of(&[CrossAttention]));
        assert!(everywhere.wants(CrossAttention, [4, 4]));
    }
}
