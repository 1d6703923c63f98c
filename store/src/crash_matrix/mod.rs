//! Every crash and every failing system call, over random programs of several writers.
//!
//! A [`recorder::Recorder`] stands in for the operating system and keeps a journal of all changes to the files and of
//! all promises the store made. From the journal, [`disk::Disk`] derives states the disk may be found in if the power
//! failed at any point; each is put into a fresh directory, opened with the plain store and held against the promises.
//! The same recorder lets any one system call fail. `MITUNE_CRASH_MATRIX` multiplies the number of programs.

mod chance;
mod check;
mod disk;
mod expectation;
mod fault;
mod journal;
mod program;
mod recorder;
mod sample;
mod schedule;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use tempfile::TempDir;

use self::chance::Chance;
use self::check::{check, work_again};
use self::disk::Disk;
use self::expectation::Expectation;
use self::fault::{Call, Fault, How, Lie};
use self::journal::Entry;
use self::program::{Operation, draw};
use self::recorder::Recorder;
use self::schedule::Schedule;
use self::writer::Writer;
use crate::error::StoreError;
use crate::files::PathError;

/// Memory if there is some to be had: nothing here depends on a real disk.
fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn scale() -> u64 {
    std::env::var("MITUNE_CRASH_MATRIX")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// Calls a function for all seeds on two threads and returns the sum of what it counts.
fn count(seeds: u64, case: impl Fn(u64) -> u64 + Sync) -> u64 {
    let (next, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    sum.fetch_add(case(seed), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

/// Runs the programs of several writers side by side and returns the journal.
fn record(seed: u64, programs: &[Vec<Operation>], lie: Lie) -> Vec<Entry> {
    let base = place();
    let root = base.path().join("store");
    let schedule = (programs.len() > 1).then(|| Schedule::new(programs.len(), seed));
    let recorder = Recorder::new(base.path(), schedule, lie);
    let work = |program: &[Operation]| {
        let mut writer = Writer::new(&recorder, &root);
        for operation in program {
            writer
                .act(operation)
                .unwrap_or_else(|error| panic!("seed {seed}: {operation:?}: {error:?}"));
        }
    };
    match recorder.schedule() {
        None => work(&programs[0]),
        Some(schedule) => std::thread::scope(|scope| {
            for (number, program) in programs.iter().enumerate() {
                scope.spawn(move || schedule.run(number, || work(program)));
            }
        }),
    }
    recorder.journal.take()
}

/// Crashes one run of some programs at several moments; returns the number of crashes or the first that went wrong.
fn crash(seed: u64, writers: usize, points: usize, lie: Lie) -> Result<u64, String> {
    let mut chance = Chance::new(seed);
    let length = 2 + chance.below(12 / writers);
    let programs: Vec<_> = (0..writers)
        .map(|_| draw(&mut chance, length, writers == 1))
        .collect();
    let entries = record(seed, &programs, lie);
    let mut moments: Vec<_> = (0..points).map(|_| 1 + chance.below(entries.len())).collect();
    moments.sort_unstable();
    let (mut disk, mut expected, mut done) = (Disk::new(), Expectation::default(), 0);
    for moment in moments {
        for entry in &entries[done..moment] {
            expected.read(entry);
            if let Entry::Disk(mutation) = entry {
                disk.apply(mutation);
            }
        }
        done = moment;
        let found = place();
        disk.crash(&mut chance, found.path());
        let root = found.path().join("store");
        let work = |()| {
            if moment % 2 == 0 {
                work_again(&root, &programs)
            } else {
                Ok(())
            }
        };
        check(&root, &expected).and_then(work).map_err(|reason| {
            format!("seed {seed}, {writers} writers, crash after entry {moment}: {reason}\n{programs:#?}")
        })?;
    }
    Ok(points as u64)
}

#[test]
fn nothing_promised_is_lost_in_a_power_failure() {
    let crashes = count(300 * scale(), |seed| {
        let writers = [1, 2, 3, 1][seed as usize % 4];
        crash(seed, writers, 26, Lie::None).unwrap_or_else(|reason| panic!("{reason}"))
    });
    println!("{crashes} crashes of {} programs", 300 * scale());
    assert!(crashes >= 7_000);
}

#[test]
fn syncs_that_lie_are_found_out() {
    for lie in [
        Lie::Files,
        Lie::Directories,
        Lie::DirectoriesAbove,
        Lie::Everything,
    ] {
        let first = (0..200).find_map(|seed| {
            let writers = 1 + seed as usize % 2;
            crash(seed, writers, 26, lie).err().map(|reason| (seed, reason))
        });
        let (seed, reason) = first.unwrap_or_else(|| panic!("{lie:?} was not noticed"));
        println!(
            "{lie:?}: found by program {seed}: {}",
            reason.lines().next().unwrap_or_default()
        );
    }
}

/// Runs a program with one failing call; returns the number of calls the program made.
fn fail(seed: u64, program: &[Operation], fault: Option<Fault>) -> usize {
    let base = place();
    let root = base.path().join("store");
    let recorder = Recorder::new(base.path(), None, Lie::None);
    recorder.fail(fault);
    let mut writer = Writer::new(&recorder, &root);
    for operation in program {
        if let Err(error) = writer.act(operation) {
            let fault = fault.unwrap_or_else(|| panic!("seed {seed}: {operation:?}: {error:?}"));
            assert!(
                is_told(&error, fault),
                "seed {seed}: {fault:?}: {operation:?}: {error:?}"
            );
        }
    }
    drop(writer);
    recorder.fail(None);
    let calls = recorder.calls();
    let Some(fault) = fault else { return calls };

    let (mut disk, mut expected) = (Disk::new(), Expectation::default());
    for entry in recorder.journal.take() {
        expected.read(&entry);
        if let Entry::Disk(mutation) = &entry {
            disk.apply(mutation);
        }
    }
    if recorder.hit() == Some(Call::Read) && fault.errno == Errno::IO {
        // What the disk cannot read is lost, with all that names it.
        expected.expect_nothing();
    }
    let lost = place();
    let mut chance = Chance::new(seed ^ fault.call as u64);
    disk.crash(&mut chance, lost.path());
    for root in [&root, &lost.path().join("store")] {
        check(root, &expected)
            .and_then(|()| work_again(root, &[program.to_vec()]))
            .unwrap_or_else(|reason| panic!("seed {seed}: {fault:?}: {reason}\n{program:#?}"));
    }
    calls
}

/// Tells whether an error says what happened to the disk.
fn is_told(error: &StoreError, fault: Fault) -> bool {
    match error {
        StoreError::Path(error) => match fault.errno {
            Errno::NOSPC => matches!(error, PathError::StorageFull { .. }),
            Errno::ROFS => matches!(error, PathError::ReadOnly { .. }),
            _ => matches!(error, PathError::Io { .. }),
        },
        StoreError::CorruptBlob { .. } | StoreError::MissingBlob(_) => fault.errno == Errno::IO,
        _ => false,
    }
}

#[test]
fn any_failing_call_is_told_or_tolerated_and_loses_nothing() {
    let programs = 6 * scale();
    let faults = count(programs, |seed| {
        let program = draw(&mut Chance::new(1000 + seed), 5, seed % 3 == 0);
        let calls = fail(seed, &program, None);
        let mut faults = 0;
        for call in 0..calls {
            let others = [
                (Errno::IO, How::After),
                (Errno::NOSPC, How::Lasting),
                (Errno::ROFS, How::Lasting),
                (Errno::INTR, How::Before),
                (Errno::ROFS, How::Before),
                (Errno::IO, How::Lasting),
            ];
            let other = others[(call + seed as usize) % others.len()];
            for (errno, how) in [(Errno::IO, How::Before), (Errno::NOSPC, How::Before), other] {
                fail(seed, &program, Some(Fault { call, errno, how }));
                faults += 1;
            }
        }
        faults
    });
    println!("{faults} faults in {programs} programs");
    assert!(faults >= 2_400);
}
