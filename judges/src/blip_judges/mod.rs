//! Judges on BLIP: ImageReward, and T2I-CompBench's questions about the parts of a prompt.

mod blip_vqa;
mod image_reward;
mod preparation;
mod questions;
mod reward_network;
mod vocabulary_check;

#[cfg(test)]
mod golden_tests;

pub use blip_vqa::{BlipVqa, BlipVqaSettings, FirstToken};
pub use image_reward::ImageReward;
pub use questions::{MOST_CHUNKS, joint_probability, question};
pub(crate) use reward_network::RewardNetwork;
