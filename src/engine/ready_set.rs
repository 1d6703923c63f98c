//! Which stages of a pipeline may be tried next; no stages here, only numbers.

use std::collections::BTreeSet;

/// The stages whose inputs are there and that are not done yet.
///
/// Stages are known by their place in the pipeline, which is also the order in which they are tried.
#[derive(Clone, Debug)]
pub(super) struct ReadySet {
    /// The stages that read from each.
    followers: Vec<Vec<usize>>,
    /// How many of the stages that it reads from each one still waits for.
    lacking: Vec<usize>,
    /// Those to be tried.
    ready: BTreeSet<usize>,
    /// Those that were tried and are being computed elsewhere.
    aside: BTreeSet<usize>,
    /// Stages that are not done.
    open: usize,
}

impl ReadySet {
    /// Begins with nothing done; `depends_on[n]` lists the stages that `n` reads from, of which none reads from `n`.
    pub(super) fn new(depends_on: &[Vec<usize>]) -> Self {
        let mut followers = vec![Vec::new(); depends_on.len()];
        let mut lacking = Vec::with_capacity(depends_on.len());
        for (stage, inputs) in depends_on.iter().enumerate() {
            let inputs: BTreeSet<usize> = inputs.iter().copied().collect();
            lacking.push(inputs.len());
            for input in inputs {
                followers[input].push(stage);
            }
        }
        let ready = (0..lacking.len()).filter(|&stage| lacking[stage] == 0);
        Self {
            ready: ready.collect(),
            aside: BTreeSet::new(),
            open: lacking.len(),
            followers,
            lacking,
        }
    }

    /// Returns the first stage that may be tried.
    pub(super) fn first(&self) -> Option<usize> {
        self.ready.first().copied()
    }

    /// Returns true once every stage is done.
    pub(super) fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// Takes note that a stage has its result, which its followers may have waited for.
    pub(super) fn done(&mut self, stage: usize) {
        let was_open = self.ready.remove(&stage) || self.aside.remove(&stage);
        if !was_open {
            return;
        }
        self.open -= 1;
        for &follower in &self.followers[stage] {
            self.lacking[follower] -= 1;
            if self.lacking[follower] == 0 {
                self.ready.insert(follower);
            }
        }
    }

    /// Takes note that a stage is being computed elsewhere, so that the next one is tried.
    pub(super) fn set_aside(&mut self, stage: usize) {
        if self.ready.remove(&stage) {
            self.aside.insert(stage);
        }
    }

    /// Brings back the stages that were set aside: by now they may be done, or free.
    pub(super) fn look_again(&mut self) {
        self.ready.append(&mut self.aside);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A process with what it knows, and the stage it computes.
    struct Process {
        ready: ReadySet,
        working: Option<usize>,
    }

    /// Processes that walk one pipeline, and what all of them can see.
    struct World {
        depends_on: Vec<Vec<usize>>,
        claimed: Vec<bool>,
        finished: Vec<bool>,
        computed: Vec<usize>,
        processes: Vec<Process>,
    }

    impl World {
        fn new(depends_on: &[Vec<usize>], processes: usize) -> Self {
            let process = || Process {
                ready: ReadySet::new(depends_on),
                working: None,
            };
            Self {
                depends_on: depends_on.to_vec(),
                claimed: vec![false; depends_on.len()],
                finished: vec![false; depends_on.len()],
                computed: Vec::new(),
                processes: (0..processes).map(|_| process()).collect(),
            }
        }

        fn is_complete(&self) -> bool {
            self.processes.iter().all(|process| process.ready.is_complete())
        }

        /// Has a process end its stage, or try one.
        fn step(&mut self, number: usize) {
            let process = &mut self.processes[number];
            if let Some(stage) = process.working.take() {
                self.finished[stage] = true;
                process.ready.done(stage);
                process.ready.look_again();
                return;
            }
            match process.ready.first() {
                None => process.ready.look_again(),
                Some(stage) if self.finished[stage] => process.ready.done(stage),
                Some(stage) if self.claimed[stage] => process.ready.set_aside(stage),
                Some(stage) => {
                    let inputs = &self.depends_on[stage];
                    assert!(inputs.iter().all(|&input| self.finished[input]), "too early");
                    self.claimed[stage] = true;
                    self.computed.push(stage);
                    process.working = Some(stage);
                }
            }
        }
    }

    /// Graphs in which stages read from earlier ones only, as those of pipelines do.
    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        let inputs = prop::collection::vec(prop::collection::vec(0..1000_usize, 0..4), 0..14);
        inputs.prop_map(|stages| {
            let earlier = |(stage, inputs): (usize, Vec<usize>)| match stage {
                0 => Vec::new(),
                _ => inputs.into_iter().map(|input| input % stage).collect(),
            };
            stages.into_iter().enumerate().map(earlier).collect()
        })
    }

    #[test]
    fn a_stage_that_is_set_aside_lets_the_next_one_through_and_comes_back() {
        let mut ready = ReadySet::new(&[vec![], vec![], vec![0, 0], vec![1]]);
        assert_eq!(ready.first(), Some(0));
        ready.set_aside(0);
        assert_eq!(ready.first(), Some(1));
        ready.done(1);
        assert_eq!(ready.first(), Some(3), "its input is there, that of 2 is not");
        ready.set_aside(3);
        assert_eq!(ready.first(), None);
        ready.look_again();
        assert_eq!(ready.first(), Some(0));
        for stage in [0, 0, 3, 2] {
            assert!(!ready.is_complete());
            ready.done(stage);
        }
        assert!(ready.is_complete());
    }

    #[test]
    fn arms_are_computed_at_the_same_time() {
        let (arms, length) = (6, 3);
        let chain = |stage: usize| match stage % length {
            0 => Vec::new(),
            _ => vec![stage - 1],
        };
        let depends_on: Vec<Vec<usize>> = (0..arms * length).map(chain).collect();
        let mut world = World::new(&depends_on, arms);
        let mut time = 0;
        while world.computed.len() < depends_on.len() {
            for number in 0..arms {
                // More tries than there are stages, so that whoever can begin something does.
                for _ in 0..2 * depends_on.len() {
                    if world.processes[number].working.is_none() {
                        world.step(number);
                    }
                }
            }
            assert!(world.processes.iter().all(|process| process.working.is_some()));
            (0..arms).for_each(|number| world.step(number));
            time += 1;
        }
        assert_eq!(time, length);
    }

    proptest! {
        #[test]
        fn a_process_alone_goes_in_the_order_of_the_pipeline(depends_on in graphs()) {
            let mut world = World::new(&depends_on, 1);
            for _ in 0..2 * depends_on.len() {
                world.step(0);
            }
            prop_assert!(world.is_complete());
            prop_assert_eq!(world.computed, (0..depends_on.len()).collect::<Vec<_>>());
        }

        #[test]
        fn processes_compute_every_stage_once_and_all_come_to_the_end(
            depends_on in graphs(),
            processes in 1_usize..6,
            turns in prop::collection::vec(0_usize..6, 0..100),
        ) {
            let mut world = World::new(&depends_on, processes);
            for turn in turns {
                world.step(turn % processes);
            }
            // Then everybody in turn: each round takes everybody further, or somebody ends a stage.
            for turn in 0..100 * processes * (depends_on.len() + 1) {
                world.step(turn % processes);
            }
            prop_assert!(world.is_complete());
            world.computed.sort_unstable();
            prop_assert_eq!(world.computed, (0..depends_on.len()).collect::<Vec<_>>());
        }
    }
}
