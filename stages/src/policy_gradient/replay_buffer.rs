//! DPOK's replay buffer: the latest steps of rollouts.

use std::collections::VecDeque;
use std::sync::Arc;

use mitune_diffusion::nn::weights::{HostTensor, TensorMap};
use mitune_diffusion::training::CheckpointError;

use super::learner::{finish, take_one};
use super::transition::Transition;

const LATENTS: &str = "latents";
const NEXT_LATENTS: &str = "next_latents";
const LOG_PROBABILITIES: &str = "log_probabilities";
const REWARDS: &str = "rewards";
const PROMPTS: &str = "prompts";
const STEPS: &str = "steps";

/// The latest steps of rollouts, at most so many.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReplayBuffer {
    transitions: VecDeque<Transition>,
    most: usize,
}

impl ReplayBuffer {
    pub(super) fn new(most: usize) -> Self {
        Self {
            transitions: VecDeque::new(),
            most,
        }
    }

    /// Adds a step, and lets go of the oldest one where there are too many.
    pub(super) fn push(&mut self, transition: Transition) {
        self.transitions.push_back(transition);
        if self.transitions.len() > self.most {
            self.transitions.pop_front();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.transitions.len()
    }

    /// The steps at these places, from the oldest on.
    pub(super) fn at(&self, places: &[usize]) -> Vec<&Transition> {
        places.iter().map(|&place| &self.transitions[place]).collect()
    }

    pub(super) fn tensors(&self) -> TensorMap {
        let elements = self
            .transitions
            .front()
            .map_or(0, |transition| transition.latent.len());
        let count = self.transitions.len();
        let numbers = |of: &dyn Fn(&Transition) -> f32| {
            let values: Vec<f32> = self.transitions.iter().map(of).collect();
            HostTensor::from_f32(&values, vec![count])
        };
        let latents = |of: &dyn Fn(&Transition) -> Arc<[f32]>| {
            let values: Vec<f32> = self
                .transitions
                .iter()
                .flat_map(|transition| of(transition).to_vec())
                .collect();
            HostTensor::from_f32(&values, vec![count, elements])
        };
        // Places are far below 2^24, up to which f32 holds every whole number.
        let tensors = [
            (LATENTS, latents(&|one: &Transition| Arc::clone(&one.latent))),
            (
                NEXT_LATENTS,
                latents(&|one: &Transition| Arc::clone(&one.next_latent)),
            ),
            (
                LOG_PROBABILITIES,
                numbers(&|one: &Transition| one.log_probability),
            ),
            (REWARDS, numbers(&|one: &Transition| one.reward)),
            (PROMPTS, numbers(&|one: &Transition| one.prompt as f32)),
            (STEPS, numbers(&|one: &Transition| one.step as f32)),
        ];
        tensors
            .into_iter()
            .map(|(name, tensor)| (name.to_owned(), tensor))
            .collect()
    }

    /// A buffer of so many steps as its tensors have it; prompts and steps must be below these numbers.
    pub(super) fn of_tensors(
        mut tensors: TensorMap,
        most: usize,
        [prompts, steps]: [usize; 2],
    ) -> Result<Self, CheckpointError> {
        let latents = take_one(&mut tensors, LATENTS)?;
        let (count, elements) = match *latents.shape {
            [count, elements] if count <= most && elements > 0 => (count, elements),
            _ => return Err(misshapen(LATENTS, &latents, vec![most])),
        };
        let mut numbers = |name: &str| values(take_one(&mut tensors, name)?, name, &[count]);
        let [logs, rewards] = [numbers(LOG_PROBABILITIES)?, numbers(REWARDS)?];
        let [prompt_of, step_of] = [numbers(PROMPTS)?, numbers(STEPS)?];
        let next = values(
            take_one(&mut tensors, NEXT_LATENTS)?,
            NEXT_LATENTS,
            &[count, elements],
        )?;
        let latents = values(latents, LATENTS, &[count, elements])?;
        finish(tensors)?;
        let mut buffer = Self::new(most);
        let rows = latents.chunks_exact(elements).zip(next.chunks_exact(elements));
        for (place, (latent, next_latent)) in rows.enumerate() {
            buffer.push(Transition {
                prompt: below(PROMPTS, prompt_of[place], prompts)?,
                step: below(STEPS, step_of[place], steps)?,
                reward: rewards[place],
                log_probability: logs[place],
                latent: Arc::from(latent),
                next_latent: Arc::from(next_latent),
            });
        }
        Ok(buffer)
    }
}

fn values(tensor: HostTensor, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
    if tensor.shape != shape {
        return Err(misshapen(name, &tensor, shape.to_vec()));
    }
    tensor.to_f32().map_err(|source| CheckpointError::NotFloat {
        tensor: name.to_owned(),
        source: Box::new(source),
    })
}

fn misshapen(name: &str, tensor: &HostTensor, expected: Vec<usize>) -> CheckpointError {
    CheckpointError::Shape {
        tensor: name.to_owned(),
        expected,
        found: tensor.shape.clone(),
    }
}

/// A place that was kept as a number, if there is such a place.
fn below(name: &str, value: f32, end: usize) -> Result<usize, CheckpointError> {
    let place = value as usize;
    match place < end && place as f32 == value {
        true => Ok(place),
        false => Err(CheckpointError::Unused {
            name: format!("{value} in {name}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(number: usize) -> Transition {
        Transition {
            prompt: number % 3,
            step: number % 4,
            reward: number as f32 * 0.5,
            log_probability: -(number as f32),
            latent: Arc::from([number as f32, 1.0]),
            next_latent: Arc::from([number as f32 + 1.0, 2.0]),
        }
    }

    #[test]
    fn the_oldest_steps_go_first() {
        let mut buffer = ReplayBuffer::new(3);
        for number in 0..5 {
            buffer.push(transition(number));
        }
        assert_eq!(buffer.len(), 3);
        assert_eq!(buffer.at(&[0, 2]), [&transition(2), &transition(4)]);
    }

    #[test]
    fn a_buffer_comes_back_from_its_tensors_and_what_is_none_is_refused() {
        let mut buffer = ReplayBuffer::new(4);
        for number in 0..6 {
            buffer.push(transition(number));
        }
        let read = |tensors, bounds| ReplayBuffer::of_tensors(tensors, 4, bounds);
        assert_eq!(read(buffer.tensors(), [3, 4]).unwrap(), buffer);
        assert!(read(buffer.tensors(), [2, 4]).is_err());
        assert!(read(buffer.tensors(), [3, 3]).is_err());
        for name in [LATENTS, REWARDS, STEPS] {
            let mut lacking = buffer.tensors();
            lacking.remove(name);
            assert!(read(lacking, [3, 4]).is_err(), "{name}");
        }
        assert!(ReplayBuffer::of_tensors(buffer.tensors(), 3, [3, 4]).is_err());
    }
}
