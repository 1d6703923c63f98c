//! A run of several processes at a remote: one record that names all results.

use mitune_store::{PipelineDigest, RunLog, RunRecord, RunStatus};

use super::*;

/// Has two processes make a result each in one run.
fn shared_run(store: &Store) -> [RunLog; 2] {
    let digest = PipelineDigest::derive(&Value::from("both")).unwrap();
    ["one", "two"].map(|name| {
        let record = publish(store, name, 0..4);
        let log = RunLog::join_or_create(store, "both", digest).unwrap();
        log.update(|run| run.stages = [(name.to_owned(), record.key)].into())
            .unwrap();
        log
    })
}

fn assert_whole(run: Option<RunRecord>) {
    let run = run.unwrap();
    assert_eq!(run.stages.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((run.status, run.processes().len()), (RunStatus::Succeeded, 2));
}

#[test]
fn a_run_goes_as_one_record_once_its_last_process_ended() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        let [founder, member] = shared_run(&anna);
        assert!(member.is_joined());
        let id = founder.id();
        member.finish(RunStatus::Succeeded).unwrap();
        push_all(&anna, &upstream(&remote)).unwrap();
        assert_eq!(
            remote.size(&Object::Run(id)).unwrap(),
            None,
            "the founder is at it"
        );
        founder.finish(RunStatus::Succeeded).unwrap();
        push_all(&anna, &upstream(&remote)).unwrap();

        let (_b, ben) = store();
        pull_all(&ben, &upstream(&remote));
        assert_whole(ben.runs().read(&id));
        let folder = ben.root().join("runs").join(id.to_string());
        assert_eq!(crate::sample::files(&folder), [folder.join("run.json")]);
        assert!(ben.verify(VerifyDepth::Full).unwrap().is_clean());
    }
}

#[test]
fn a_run_that_was_made_in_the_folder_itself_comes_whole() {
    let (_a, anna) = store();
    let logs = shared_run(&anna);
    for log in &logs {
        log.finish(RunStatus::Succeeded).unwrap();
    }
    let remote: Arc<dyn Remote> = Arc::new(mitune_store::remote::Folder::new(anna.clone()));
    let (_b, ben) = store();
    pull_all(&ben, &upstream(&remote));
    assert_whole(ben.runs().read(&logs[0].id()));
}

#[test]
fn a_run_whose_last_process_was_killed_goes_with_a_later_one() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        anna.attach(Sharing::new(None, vec![upstream(&remote)], Box::new(|_| {})));
        let [founder, member] = shared_run(&anna);
        let id = founder.id();
        founder.finish(RunStatus::Succeeded).unwrap();
        // The member ends without a word.
        drop((founder, member));
        let later = RunLog::create(&anna, "both").unwrap();
        later.finish(RunStatus::Succeeded).unwrap();
        anna.runs().share_run(&later.id());
        anna.flush_remotes();
        assert_eq!(remote.size(&Object::Run(id)).unwrap(), None);
        anna.runs().share_earlier_runs(&later.id());
        anna.flush_remotes();
        let (_b, ben) = store();
        pull_all(&ben, &upstream(&remote));
        assert_whole(ben.runs().read(&id));
    }
}
