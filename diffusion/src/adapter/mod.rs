//! Low-rank adapters (LoRA and DoRA) on the linear layers of a model.

mod low_rank;

pub use low_rank::LowRankAdapter;
