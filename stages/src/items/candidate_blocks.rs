//! Blocks of the candidates of a table.

use std::ops::Range;

use mitune_store::ItemKey;

use super::item_blocks::Block;

/// A candidate without its latent and image.
pub(crate) struct NamedCandidate {
    pub(crate) prompt_id: String,
    pub(crate) seed_index: u32,
    pub(crate) item: ItemKey,
}

/// Groups candidates of one prompt whose seed indices belong to one batch, in the order of the table.
pub(crate) fn candidate_blocks(candidates: Vec<NamedCandidate>, batch_size: u32) -> Vec<Block<Range<u64>>> {
    let mut blocks: Vec<Block<Range<u64>>> = Vec::new();
    let mut last = None;
    for (row, candidate) in (0..).zip(candidates) {
        let group = (candidate.prompt_id, candidate.seed_index / batch_size);
        match blocks.last_mut() {
            Some(block) if last.as_ref() == Some(&group) => {
                block.items.push(candidate.item);
                block.work.end = row + 1;
            }
            _ => {
                blocks.push(Block {
                    work: row..row + 1,
                    prompt_id: group.0.clone(),
                    items: vec![candidate.item],
                });
                last = Some(group);
            }
        }
    }
    blocks
}
