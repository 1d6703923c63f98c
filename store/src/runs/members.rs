//! The processes of a run, and how what each of them wrote makes one record.
//!
//! Nothing here reads a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::run::{RunRecord, RunStatus};
use crate::files::Life;
use crate::timestamp::Timestamp;

/// The detail of a run that holds its tags.
pub(crate) const TAGS: &str = "tags";

/// A process that took part in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMember {
    /// Name of its host.
    pub host: String,
    /// Its number there.
    pub process: u32,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, `None` while it runs or if it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl RunRecord {
    /// Lists the processes that took part, the founder first.
    pub fn processes(&self) -> Vec<RunMember> {
        match self.members.is_empty() {
            true => vec![RunMember {
                host: self.host.clone(),
                process: self.process,
                status: self.status,
                started: self.started,
                ended: self.ended,
            }],
            false => self.members.clone(),
        }
    }
}

/// Joins the records of the processes of a run, the founder's first, to one; none if there are none.
///
/// `life` is asked of the processes that did not say how they ended. A record that stands alone stays as it is.
pub(super) fn together(mut records: Vec<RunRecord>, life: impl Fn(&RunMember) -> Life) -> Option<RunRecord> {
    let mut whole = records.first()?.clone();
    if records.len() == 1 {
        return Some(whole);
    }
    whole.members = records.iter().flat_map(RunRecord::processes).collect();
    whole.status = status(&whole.members, life);
    let members = &whole.members;
    whole.started = members
        .iter()
        .map(|member| member.started)
        .min()
        .unwrap_or(whole.started);
    whole.ended = match whole.status {
        RunStatus::Running => None,
        _ => members.iter().filter_map(|member| member.ended).max(),
    };
    whole.stages = BTreeMap::new();
    // Where keys of one name differ, those of a process that came to the end count.
    records.sort_by_key(|record| record.status != RunStatus::Succeeded);
    for record in records {
        for (name, key) in record.stages {
            whole.stages.entry(name).or_insert(key);
        }
        add_details(&mut whole.details, record.details);
    }
    Some(whole)
}

/// Tells how a run stands by how its processes do.
///
/// It succeeded as soon as one process has every result and nobody is at work any more. Otherwise a failure says more
/// than a death, since it has an error to read, and a death more than a stop, which somebody asked for.
fn status(members: &[RunMember], life: impl Fn(&RunMember) -> Life) -> RunStatus {
    let has = |status: RunStatus| members.iter().any(|member| member.status == status);
    let unended = members
        .iter()
        .filter(|member| member.status == RunStatus::Running);
    let lives: Vec<Life> = unended.map(life).collect();
    if lives.contains(&Life::Alive) {
        RunStatus::Running
    } else if has(RunStatus::Succeeded) {
        RunStatus::Succeeded
    } else if lives.contains(&Life::Unknown) {
        RunStatus::Running
    } else if has(RunStatus::Failed) {
        RunStatus::Failed
    } else if lives.is_empty() {
        RunStatus::Interrupted
    } else {
        RunStatus::Running
    }
}

/// Adds what another process remembers: all tags, and what is not known yet.
fn add_details(known: &mut BTreeMap<String, Json>, more: BTreeMap<String, Json>) {
    for (name, value) in more {
        let detail = known.entry(name.clone()).or_insert_with(|| value.clone());
        if name == TAGS
            && let (Json::Array(tags), Json::Array(others)) = (detail, value)
        {
            let known = tags.clone();
            tags.extend(others.into_iter().filter(|tag| !known.contains(tag)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canonical::Value;
    use crate::names::StageKey;

    fn key(number: u64) -> StageKey {
        StageKey::derive(&Value::from(number)).unwrap()
    }

    fn record(process: u32, status: RunStatus, stages: &[(&str, u64)]) -> RunRecord {
        let stages = stages
            .iter()
            .map(|(name, number)| ((*name).to_owned(), key(*number)));
        RunRecord {
            process,
            status,
            started: Timestamp(u64::from(process)),
            ended: (status != RunStatus::Running).then_some(Timestamp(100 - u64::from(process))),
            stages: stages.collect(),
            ..RunRecord::begin("tiny")
        }
    }

    fn joined(statuses: &[RunStatus], life: Life) -> RunStatus {
        let records = (1..)
            .zip(statuses)
            .map(|(process, status)| record(process, *status, &[]));
        together(records.collect(), |_| life).unwrap().status
    }

    #[test]
    fn a_run_stands_as_its_processes_do() {
        use RunStatus::{Failed, Interrupted, Running, Succeeded};
        for (statuses, life, expected) in [
            (vec![Running, Succeeded], Life::Alive, Running),
            (vec![Running, Succeeded], Life::Dead, Succeeded),
            (vec![Running, Succeeded], Life::Unknown, Succeeded),
            (vec![Running, Failed], Life::Unknown, Running),
            (vec![Running, Failed], Life::Dead, Failed),
            (vec![Running, Interrupted], Life::Dead, Running),
            (vec![Running, Interrupted], Life::Alive, Running),
            (vec![Interrupted, Succeeded], Life::Dead, Succeeded),
            (vec![Interrupted, Failed, Succeeded], Life::Dead, Succeeded),
            (vec![Interrupted, Failed], Life::Dead, Failed),
            (vec![Interrupted, Interrupted], Life::Dead, Interrupted),
        ] {
            assert_eq!(joined(&statuses, life), expected, "{statuses:?} {life:?}");
        }
    }

    #[test]
    fn a_record_that_stands_alone_stays_as_it_is() {
        let alone = record(7, RunStatus::Running, &[("a", 1)]);
        assert_eq!(together(vec![alone.clone()], |_| Life::Dead), Some(alone));
        assert_eq!(together(Vec::new(), |_| Life::Dead), None);
    }

    #[test]
    fn stages_tags_and_times_of_all_are_those_of_the_run() {
        let mut founder = record(1, RunStatus::Running, &[("a", 1), ("b", 2)]);
        founder.details = BTreeMap::from([
            ("file".to_owned(), json!("one.yaml")),
            ("tags".to_owned(), json!(["x"])),
        ]);
        let mut member = record(2, RunStatus::Succeeded, &[("b", 3), ("c", 4)]);
        member.details = BTreeMap::from([
            ("file".to_owned(), json!("two.yaml")),
            ("tags".to_owned(), json!(["y", "x"])),
            ("set".to_owned(), json!([])),
        ]);
        let whole = together(vec![founder.clone(), member], |_| Life::Dead).unwrap();
        let expected = [("a", 1), ("b", 3), ("c", 4)].map(|(name, number)| (name.to_owned(), key(number)));
        assert_eq!(whole.stages, BTreeMap::from(expected));
        assert_eq!(whole.details["tags"], json!(["x", "y"]));
        assert_eq!(whole.details["file"], json!("one.yaml"));
        assert_eq!(whole.details["set"], json!([]));
        assert_eq!((whole.id, whole.process), (founder.id, 1));
        assert_eq!((whole.started, whole.ended), (Timestamp(1), Some(Timestamp(98))));
        let processes: Vec<u32> = whole.members.iter().map(|member| member.process).collect();
        assert_eq!(processes, [1, 2]);
        // What was joined once is joined again with what came later.
        let third = record(3, RunStatus::Interrupted, &[]);
        let again = together(vec![whole, third], |_| Life::Dead).unwrap();
        assert_eq!(again.processes().len(), 3);
    }
}
