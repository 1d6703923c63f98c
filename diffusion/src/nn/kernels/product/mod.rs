//! Products of matrices, which every layer's work comes down to.
//!
//! A tile of sums stays in registers while the depth is gone through: values of a few rows on the left, read where they
//! lie, each times some vectors on the right, which are packed so that a tile reads them one after another (Goto and
//! van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008). A convolution is such a product, of windows
//! of the image that overlap where they lie.
//!
//! Every sum has one order, by depth in blocks whose size depends on the depth alone. So a value does not depend on
//! threads, on the other rows, on the level's vectors, or on which factor is packed.

mod multiply;
mod operand;
mod packed;
mod tile;
mod transpose;

#[cfg(test)]
mod tests;

pub(super) use multiply::{Product, into_tensor, lay_along, multiply, product_of, whole_tiles};
pub(super) use operand::{Across, Along, Operand, Starts};
pub(super) use packed::Packed;
pub(super) use tile::{Addend, Target, add_rows};

/// Most depth of a block: a panel of so many rows stays in the first cache.
const DEPTH: usize = 256;

/// Rows worked on together with a panel; their part of a depth block stays in the second cache.
const BLOCK: usize = 192;

/// Depth of the blocks that a depth is split into, all but the last equal.
fn depth_step(depth: usize) -> usize {
    depth.div_ceil(depth.div_ceil(DEPTH).max(1)).max(1)
}
