//! Reading runs: what the processes of each wrote, together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::members::{RunMember, together};
use super::run::{ProcessEvent, RunEvent, RunRecord, VERSION};
use crate::error::StoreError;
use crate::files::{AtPath, FileIdentity, Life, PathError, host_name};
use crate::names::{LeaseKey, RunId, StageKey, domain};
use crate::records::{Sealed, sealed};
use crate::store::Runs;

/// Bytes of a log of events that are read at most; a day of a training writes some megabytes.
const EVENTS_LIMIT: u64 = 1 << 30;

impl Runs<'_> {
    /// Lists the runs, newest first; those whose records are damaged are left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub fn list(&self) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.newest()?.collect())
    }

    /// Goes through the runs, newest first, reading one at a time; those whose records are damaged are left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub fn newest(self) -> Result<impl Iterator<Item = RunRecord>, StoreError> {
        let ids = self.newest_run_ids()?;
        Ok(ids.into_iter().filter_map(move |id| self.read(&id)))
    }

    /// Reads a run, `None` if it is absent or damaged: what all its processes wrote, as one record.
    pub fn read(&self, id: &RunId) -> Option<RunRecord> {
        self.together(id, self.good_run_records(id))
    }

    /// Reads the events of a run in the order of their times; lines cut off by a crash are left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the logs cannot be read.
    pub fn events(&self, id: &RunId) -> Result<Vec<RunEvent>, StoreError> {
        let logs = self.logs(id)?.into_iter();
        let mut events: Vec<RunEvent> = logs.flat_map(|(_, events)| events).collect();
        events.sort_by_key(|event| event.time);
        Ok(events)
    }

    /// Reads the events of a run in the order of their times, each with the process that told it.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the logs cannot be read.
    pub fn process_events(&self, run: &RunRecord) -> Result<Vec<ProcessEvent>, StoreError> {
        let (layout, processes) = (self.store.layout(), run.processes());
        let mut events: Vec<ProcessEvent> = Vec::new();
        for (path, log) in self.logs(&run.id)? {
            let process = processes
                .iter()
                .position(|member| layout.run_events(&run.id, &member.host, member.process) == path);
            events.extend(log.into_iter().map(|event| ProcessEvent { process, event }));
        }
        events.sort_by_key(|event| event.event.time);
        Ok(events)
    }

    /// Reads the logs of a run, one for each process, with their files.
    fn logs(&self, id: &RunId) -> Result<Vec<(PathBuf, Vec<RunEvent>)>, StoreError> {
        let directory = self.store.layout().run(id);
        let mut logs = Vec::new();
        // A run that nothing is kept of has no directory.
        for entry in self.store.entries(&directory)? {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                let (bytes, _) = self
                    .store
                    .files()
                    .read_bounded(&path, EVENTS_LIMIT)
                    .at("read", &path)?;
                let lines = bytes.split(|byte| *byte == b'\n');
                let events = lines.filter_map(|line| serde_json::from_slice(line).ok());
                logs.push((path, events.collect()));
            }
        }
        Ok(logs)
    }

    /// Tells whether a process of a run is surely gone, which only its own host can know at once.
    pub fn is_gone(&self, run: &RunId, member: &RunMember) -> bool {
        self.member_life(run, member) == Life::Dead
    }

    /// Tells whether a process of a run lives, as far as that can be known from here.
    pub(super) fn member_life(&self, run: &RunId, member: &RunMember) -> Life {
        let key = LeaseKey::of_member(run, &member.host, member.process);
        let here = || member.host == host_name();
        let there = || Path::new("/proc").join(member.process.to_string()).exists();
        match self.store.leases().holder_life(&key) {
            // It used no leases, or an older program, or its lease was collected.
            Life::Unknown if here() && !there() => Life::Dead,
            life => life,
        }
    }

    /// Goes through the results that the processes of a run name, each once; none if its records are absent or damaged.
    pub(crate) fn stages_of_run(&self, id: &RunId) -> impl Iterator<Item = StageKey> + use<> {
        let records = self.good_run_records(id).into_iter();
        let mut seen = BTreeSet::new();
        records
            .flat_map(|record| record.stages.into_values())
            .filter(move |key| seen.insert(*key))
    }

    /// Reads the records of all processes of a run, the founder's first; damaged ones are left out.
    ///
    /// # Errors
    /// [`StoreError::NewerRecord`] for one that this program does not know, which may name anything, or
    /// [`StoreError::Path`] if one cannot be read.
    pub(crate) fn records(&self, id: &RunId) -> Result<Vec<RunRecord>, StoreError> {
        let mut records = Vec::new();
        for path in self.run_record_files(id)? {
            match self.read_record(id, &path)? {
                Sealed::Good(record) => records.push(record),
                Sealed::Newer { version } => {
                    let file = path.file_name().unwrap_or_default();
                    return Err(StoreError::NewerRecord {
                        name: format!("runs/{id}/{}", file.to_string_lossy()),
                        version,
                        known: VERSION,
                    });
                }
                Sealed::Absent | Sealed::Corrupt { .. } => {}
            }
        }
        Ok(records)
    }

    /// Joins the records of the processes of a run to one.
    pub(crate) fn together(&self, id: &RunId, records: Vec<RunRecord>) -> Option<RunRecord> {
        together(records, |member| self.member_life(id, member))
    }

    /// Names the files of the records of a run: that of its founder, which may be gone, then those of its members.
    pub(crate) fn run_record_files(&self, id: &RunId) -> Result<Vec<PathBuf>, PathError> {
        let entries = self.store.entries(&self.store.layout().run(id))?;
        let paths = entries.iter().map(std::fs::DirEntry::path);
        let mut members: Vec<PathBuf> = paths.filter(|path| is_member_record(path)).collect();
        members.sort_unstable();
        let mut files = vec![self.store.layout().run_record(id)];
        files.append(&mut members);
        Ok(files)
    }

    /// Reads the record that the founder of a run wrote, `None` if it is absent or damaged.
    pub(super) fn founder_record(&self, id: &RunId) -> Option<RunRecord> {
        self.good_run_record(id, &self.store.layout().run_record(id))
    }

    fn good_run_records(&self, id: &RunId) -> Vec<RunRecord> {
        let paths = match self.run_record_files(id) {
            Ok(paths) => paths,
            // What the founder wrote may be readable all the same.
            Err(_) => vec![self.store.layout().run_record(id)],
        };
        paths
            .iter()
            .filter_map(|path| self.good_run_record(id, path))
            .collect()
    }

    fn good_run_record(&self, id: &RunId, path: &Path) -> Option<RunRecord> {
        match self.read_record(id, path) {
            Ok(Sealed::Good(record)) => Some(record),
            _ => None,
        }
    }

    /// Reads one of the files of a run; the record of another run in its place is damaged.
    pub(crate) fn read_record(&self, id: &RunId, path: &Path) -> Result<Sealed<RunRecord>, PathError> {
        let files = self.store.files();
        match sealed::read::<RunRecord>(files, path, domain::RUN, VERSION)? {
            Sealed::Good(record) if record.id != *id => match files.metadata(path) {
                Ok(metadata) => Ok(Sealed::Corrupt {
                    identity: FileIdentity::of(&metadata),
                    reason: format!("it is the record of run `{}`", record.id),
                }),
                // Gone since it was read.
                Err(error) if files.is_nowhere(path, &error) => Ok(Sealed::Absent),
                Err(error) => Err(error).at("read", path),
            },
            read => Ok(read),
        }
    }

    pub(crate) fn ids(&self) -> Result<Vec<RunId>, StoreError> {
        let directory = self.store.layout().directory("runs");
        let mut ids = Vec::new();
        for entry in self.store.entries(&directory)? {
            let name = entry.file_name();
            ids.extend(name.to_str().and_then(|name| name.parse::<RunId>().ok()));
        }
        Ok(ids)
    }

    pub(super) fn newest_run_ids(&self) -> Result<Vec<RunId>, StoreError> {
        let mut ids = self.ids()?;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }
}

/// Tells whether a file is named like the record of a process that joined a run.
fn is_member_record(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("member-") && name.ends_with(".json"))
}
