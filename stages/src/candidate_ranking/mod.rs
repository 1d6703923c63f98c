//! How the candidates of a prompt are ranked by a score, for the stages that choose, pair or weigh them.

mod copied_rows;
mod draw;
mod pools;
mod score_choice;

pub(crate) use copied_rows::copied_rows;
pub(crate) use draw::Draw;
pub(crate) use pools::{Ranked, ranked_pools, repeated};
pub(crate) use score_choice::{RANDOM, ScoreChoice, opened_candidates};
