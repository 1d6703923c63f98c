//! The rules of [`super::protocol`] under every interleaving of a few processes that pause, die, look at stale
//! directories and lose replies.
//!
//! Time is a step that one process's clock takes alone, so a pause of any other is included in every state. Counters
//! and nonces are small numbers that wrap: the checker then also sees bytes that repeat by chance.

use std::collections::BTreeMap;
use std::time::Duration;

use stateright::{Model, Property};

use super::protocol::{Advice, Epoch, Sight, Watch, confirm, still_held};

const TTL: Duration = Duration::from_secs(1);

/// A file: who made it, in which attempt, and its counter.
type Content = (u8, u8, u8);
type Files = BTreeMap<Epoch, Content>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// About to look up the result, then at the lease.
    Look,
    Link {
        epoch: Epoch,
        over: Option<Sight<Content>>,
    },
    Confirm {
        epoch: Epoch,
        over: Option<Sight<Content>>,
    },
    Sweep {
        epoch: Epoch,
    },
    /// About to look up the result again.
    Recheck {
        epoch: Epoch,
    },
    Compute {
        epoch: Epoch,
    },
    Release {
        epoch: Epoch,
    },
    Done,
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    phase: Phase,
    watch: Watch<Content>,
    clock: Duration,
    attempt: u8,
    counter: u8,
    /// A sign of life was written and the look after it is still to come.
    signed: bool,
    lost: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    files: Files,
    /// The directory as it was before its last change, which a cache may still show.
    before: Files,
    published: u8,
    processes: Vec<Process>,
    faults: u8,
    /// A holder looked after another had surely taken over and did not notice.
    unaware: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Go(usize),
    GoStale(usize),
    LinkUnheard(usize),
    Sign(usize),
    Time(usize),
    Die(usize),
}

/// What may happen.
pub(super) struct Bounds {
    pub(super) processes: usize,
    /// Stale looks, lost replies and deaths in all.
    pub(super) faults: u8,
    /// Whether clocks run, so that a slow holder can be taken over.
    pub(super) time: bool,
    pub(super) last_epoch: Epoch,
}

impl Process {
    /// Returns the epoch of the file that this process made and still relies on.
    fn epoch(&self) -> Option<Epoch> {
        match self.phase {
            Phase::Sweep { epoch }
            | Phase::Recheck { epoch }
            | Phase::Compute { epoch }
            | Phase::Release { epoch } => Some(epoch),
            _ => None,
        }
    }
}

impl Process {
    /// Tells whether a sign of life of somebody else can change what this process does next.
    fn watches(&self) -> bool {
        let took_over = |over: &Option<_>| over.is_some();
        self.watch.seen.is_some()
            || matches!(&self.phase, Phase::Link { over, .. } | Phase::Confirm { over, .. } if took_over(over))
    }
}

impl World {
    fn change(&mut self, change: impl FnOnce(&mut Files)) {
        self.before = self.files.clone();
        change(&mut self.files);
    }

    /// Tells whether the file of an epoch is the one that a process made in its last attempt.
    fn is_named(&self, process: usize, epoch: Epoch) -> bool {
        let attempt = self.processes[process].attempt;
        let own = |content: &Content| (content.0 as usize, content.1) == (process, attempt);
        self.files.get(&epoch).is_some_and(own)
    }

    fn go(&mut self, process: usize, stale: bool) {
        let seen = if stale {
            self.before.clone()
        } else {
            self.files.clone()
        };
        let me = &self.processes[process];
        let phase = match me.phase.clone() {
            Phase::Look if self.published > 0 => Phase::Done,
            Phase::Look => {
                let sight = seen.last_key_value().map(|(epoch, content)| Sight {
                    epoch: *epoch,
                    content: *content,
                });
                // Processes 0 and 1 share a host.
                let dead = sight.as_ref().is_some_and(|sight| {
                    let maker = sight.content.0 as usize;
                    process < 2 && maker < 2 && self.processes[maker].phase == Phase::Dead
                });
                let me = &mut self.processes[process];
                let advice = me.watch.judge(sight, dead, me.clock, TTL);
                // Only differences of times matter: what was seen last was seen at the beginning of time.
                if let Some((_, since)) = &mut me.watch.seen {
                    me.clock -= *since;
                    *since = Duration::ZERO;
                }
                match advice {
                    Advice::Take { epoch, over } => {
                        (me.watch, me.clock) = (Watch::default(), Duration::ZERO);
                        Phase::Link { epoch, over }
                    }
                    Advice::Wait { .. } => Phase::Look,
                }
            }
            Phase::Link { epoch, over } => match self.link(process, epoch) {
                true => Phase::Confirm { epoch, over },
                false => Phase::Look,
            },
            Phase::Confirm { epoch, over } => {
                let newest = seen.last_key_value().map(|(epoch, _)| *epoch);
                let former = over.as_ref().and_then(|over| seen.get(&over.epoch));
                if confirm(epoch, over.as_ref(), newest, former) {
                    Phase::Sweep { epoch }
                } else {
                    self.give_back(process, epoch);
                    Phase::Look
                }
            }
            Phase::Sweep { epoch } => {
                if self.files.keys().any(|old| *old < epoch) {
                    self.change(|files| files.retain(|old, _| *old >= epoch));
                }
                Phase::Recheck { epoch }
            }
            Phase::Recheck { epoch } if self.published > 0 => Phase::Release { epoch },
            Phase::Recheck { epoch } => Phase::Compute { epoch },
            Phase::Compute { epoch } => {
                // Created once: whoever comes later adopts what is there.
                self.published = 1;
                Phase::Release { epoch }
            }
            Phase::Release { epoch } => {
                self.give_back(process, epoch);
                Phase::Look
            }
            end @ (Phase::Done | Phase::Dead) => end,
        };
        let me = &mut self.processes[process];
        if me.epoch().is_some() && matches!(phase, Phase::Look) {
            (me.signed, me.lost) = (false, false);
        }
        me.phase = phase;
    }

    fn link(&mut self, process: usize, epoch: Epoch) -> bool {
        if self.files.contains_key(&epoch) {
            return false;
        }
        let me = &mut self.processes[process];
        me.attempt = (me.attempt + 1) % 2;
        me.counter = 0;
        let content = (process as u8, me.attempt, 0);
        self.change(|files| {
            files.insert(epoch, content);
        });
        true
    }

    fn give_back(&mut self, process: usize, epoch: Epoch) {
        if self.is_named(process, epoch) {
            self.change(|files| {
                files.remove(&epoch);
            });
        }
    }

    /// The two halves of a sign of life.
    fn sign(&mut self, process: usize, epoch: Epoch) {
        let named = self.is_named(process, epoch);
        if !self.processes[process].signed {
            let me = &mut self.processes[process];
            me.counter = (me.counter + 1) % 2;
            me.signed = true;
            let content = (process as u8, me.attempt, me.counter);
            if named {
                self.change(|files| {
                    files.insert(epoch, content);
                });
            }
            return;
        }
        let followed = self.files.contains_key(&(epoch + 1));
        let surely_replaced = self
            .processes
            .iter()
            .any(|other| other.epoch() == Some(epoch + 1) && !other.lost);
        let me = &mut self.processes[process];
        me.signed = false;
        me.lost = !still_held(named, followed);
        // A thief whose own file was removed since has lost the lease itself.
        let thief_there = followed && surely_replaced;
        self.unaware |= thief_there && !me.lost;
    }
}

impl Model for Bounds {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let process = Process {
            phase: Phase::Look,
            watch: Watch::default(),
            clock: Duration::ZERO,
            attempt: 0,
            counter: 0,
            signed: false,
            lost: false,
        };
        vec![World {
            files: Files::new(),
            before: Files::new(),
            published: 0,
            processes: vec![process; self.processes],
            faults: 0,
            unaware: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Act>) {
        let faulty = world.faults < self.faults;
        for (process, me) in world.processes.iter().enumerate() {
            if matches!(me.phase, Phase::Done | Phase::Dead) {
                continue;
            }
            actions.push(Act::Go(process));
            let looks = matches!(me.phase, Phase::Look | Phase::Confirm { .. });
            if faulty && looks && world.before != world.files {
                actions.push(Act::GoStale(process));
            }
            if faulty && matches!(me.phase, Phase::Link { .. }) {
                actions.push(Act::LinkUnheard(process));
            }
            let watched = world.processes.iter().any(Process::watches);
            if me.epoch().is_some() && !me.lost && (watched || me.signed) {
                actions.push(Act::Sign(process));
            }
            if self.time && me.watch.seen.is_some() && me.clock < TTL {
                actions.push(Act::Time(process));
            }
            let others_live = world
                .processes
                .iter()
                .filter(|other| other.phase != Phase::Dead)
                .count()
                > 1;
            if faulty && others_live {
                actions.push(Act::Die(process));
            }
        }
    }

    fn next_state(&self, last: &World, act: Act) -> Option<World> {
        let mut world = last.clone();
        match act {
            Act::Go(process) => world.go(process, false),
            Act::GoStale(process) => {
                world.faults += 1;
                world.go(process, true);
            }
            Act::LinkUnheard(process) => {
                let Phase::Link { epoch, .. } = world.processes[process].phase else {
                    return None;
                };
                world.faults += 1;
                world.link(process, epoch);
                world.processes[process].phase = Phase::Look;
            }
            Act::Sign(process) => {
                let epoch = world.processes[process].epoch()?;
                world.sign(process, epoch);
            }
            Act::Time(process) => world.processes[process].clock += TTL,
            Act::Die(process) => {
                world.faults += 1;
                world.processes[process].phase = Phase::Dead;
            }
        }
        if world.faults == self.faults || world.published > 0 {
            // What no stale look can show any more, or what no longer matters.
            world.before = world.files.clone();
        }
        (world != *last).then_some(world)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.files.keys().all(|epoch| *epoch <= self.last_epoch)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("who is done has the result", |_, world: &World| {
                world.published == 1 || world.processes.iter().all(|process| process.phase != Phase::Done)
            }),
            Property::always(
                "one at a time unless something went wrong",
                |bounds: &Bounds, world: &World| bounds.time || world.faults > 0 || world.computing() <= 1,
            ),
            Property::always("one undisturbed holder to an epoch", |_, world: &World| {
                let holds = |process: usize, epoch: Epoch| {
                    world.processes[process].epoch() == Some(epoch) && world.is_named(process, epoch)
                };
                world.files.keys().all(|epoch| {
                    (0..world.processes.len())
                        .filter(|process| holds(*process, *epoch))
                        .count()
                        <= 1
                })
            }),
            Property::always(
                "a holder that wakes learns that it was replaced",
                |_, world: &World| !world.unaware,
            ),
            Property::sometimes("a lease is lost", |_, world: &World| {
                world.processes.iter().any(|process| process.lost)
            }),
            Property::sometimes("two compute at once", |_, world: &World| world.computing() > 1),
            Property::sometimes("everybody is done", |_, world: &World| {
                world.processes.iter().all(|process| process.phase == Phase::Done)
            }),
        ]
    }
}

impl World {
    fn computing(&self) -> usize {
        let computes = |process: &&Process| matches!(process.phase, Phase::Compute { .. });
        self.processes.iter().filter(computes).count()
    }

    pub(super) fn finished(&self) -> bool {
        self.processes
            .iter()
            .all(|process| matches!(process.phase, Phase::Done | Phase::Dead))
    }
}
