//! What makes a stage compute again, and what does not: one test per ingredient of a key.

use mitune::engine::{Cause, PlanState};

use crate::workplace::Workplace;

const PIPELINE: &str = "
version: 1
name: keys
seed: 3
stages:
  a: {kind: numbers, count: 6}
  b: {kind: remainder, of: a, modulo: 7}
  c: {kind: remainder, of: b, also: a, modulo: 100, label: x}
";

fn after(change: impl Fn(&str) -> String) -> Vec<String> {
    let place = Workplace::new();
    assert_eq!(place.run(PIPELINE).computed, ["a", "b", "c"]);
    place.run(&change(PIPELINE)).computed
}

fn replaced(from: &'static str, to: &'static str) -> Vec<String> {
    assert!(PIPELINE.contains(from), "{from}");
    after(|text| text.replace(from, to))
}

#[test]
fn the_same_pipeline_computes_nothing_again() {
    let place = Workplace::new();
    let first = place.run(PIPELINE);
    let second = place.run(PIPELINE);
    assert!(second.computed.is_empty());
    assert_eq!(first.contents, second.contents);
    assert_eq!(first.contents.len(), 5);
}

#[test]
fn comments_key_order_names_and_notation_change_nothing() {
    let rewritten = "
# A comment.
name: another name
description: another description
version: 1
stages:
  c: {label: 'x', modulo: 0x64, also: numbers_of_a:values, kind: remainder, of: b}
  b:
    modulo: 7 # another comment
    of: numbers_of_a
    kind: remainder
  numbers_of_a:
    count: 6
    kind: numbers
    shard: 1
seed: 3
";
    assert!(after(|_| rewritten.to_owned()).is_empty());
}

#[test]
fn a_default_written_out_changes_nothing() {
    assert!(replaced("count: 6", "count: 6, factor: 1, seed: 3").is_empty());
}

#[test]
fn settings_that_cannot_change_the_result_change_nothing() {
    assert!(replaced("count: 6", "count: 6, shard: 2, delay_ms: 1").is_empty());
}

#[test]
fn a_changed_setting_computes_its_stage_and_what_follows() {
    assert_eq!(replaced("label: x", "label: y"), ["c"]);
    // 0 + 1 + 4 + 9 + 16 + 25 = 55 leaves 6 modulo 7 and 1 modulo 6.
    assert_eq!(replaced("modulo: 7", "modulo: 6"), ["b", "c"]);
    assert_eq!(replaced("count: 6", "count: 5"), ["a", "b", "c"]);
}

#[test]
fn an_equal_result_cuts_off_what_follows() {
    // 55 leaves 6 modulo 7 and 6 modulo 49: `b` computes and yields the same, so `c` does not.
    assert_eq!(replaced("modulo: 7", "modulo: 49"), ["b"]);
}

#[test]
fn the_seed_of_the_pipeline_is_part_of_the_key_where_a_stage_uses_it() {
    assert_eq!(
        replaced("seed: 3", "seed: 4"),
        ["a"],
        "the numbers do not depend on it, so `b` is cut off"
    );
    assert_eq!(replaced("count: 6", "count: 6, seed: 4"), ["a"]);
}

#[test]
fn the_salt_disowns_everything() {
    assert_eq!(replaced("seed: 3", "seed: 3\nsalt: again"), ["a", "b", "c"]);
}

/// Shards found again would bring back what the salt disowns.
#[test]
fn the_salt_disowns_every_item() {
    let place = Workplace::new();
    let journal = || {
        let text = std::fs::read_to_string(place.path().join("journal")).unwrap();
        text.lines().count()
    };
    let text = |salt: &str| {
        format!("version: 1\nname: x\n{salt}stages:\n  a: {{kind: numbers, count: 6, journal: journal}}\n")
    };
    for (salt, items) in [
        ("", 6),
        ("salt: again\n", 12),
        ("salt: once more\n", 18),
        ("salt: ''\n", 24),
    ] {
        let first = place.run(&text(salt));
        assert_eq!(
            (first.computed, journal()),
            (vec!["a".to_owned()], items),
            "{salt}"
        );
        assert!(place.run(&text(salt)).computed.is_empty());
    }
    let more = text("salt: again\n").replace("count: 6", "count: 8");
    assert_eq!(
        (place.run(&more).computed.len(), journal()),
        (1, 26),
        "items under a salt are reused"
    );
    assert!(place.run(&text("")).computed.is_empty());
}

#[test]
fn an_input_more_or_less_is_another_key() {
    assert_eq!(replaced("of: b, also: a", "of: b"), ["c"]);
    assert_eq!(replaced("of: b, also: a", "of: b, all: [a]"), ["c"]);
}

#[test]
fn the_order_of_a_list_of_inputs_is_part_of_the_key() {
    assert_eq!(replaced("of: b, also: a", "all: [a, b]"), ["c"]);
    let place = Workplace::new();
    place.run(&PIPELINE.replace("of: b, also: a", "all: [a, b]"));
    assert_eq!(
        place
            .run(&PIPELINE.replace("of: b, also: a", "all: [b, a]"))
            .computed,
        ["c"]
    );
}

#[test]
fn the_content_of_an_outside_file_is_the_key_and_not_its_place() {
    let place = Workplace::new();
    let pipeline = |file: &str| {
        format!(
            "version: 1\nname: x\nstages:\n  a: {{kind: digest, file: {file}}}\n  b: {{kind: remainder, of: a, modulo: 2}}\n"
        )
    };
    std::fs::write(place.path().join("one"), "abc").unwrap();
    std::fs::write(place.path().join("two"), "abc").unwrap();
    assert_eq!(place.run(&pipeline("one")).computed, ["a", "b"]);
    assert!(place.run(&pipeline("two")).computed.is_empty());
    std::fs::write(place.path().join("two"), "xyz").unwrap();
    assert_eq!(
        place.run(&pipeline("two")).computed,
        ["a"],
        "the size is the same, so `b` is cut off"
    );
    std::fs::write(place.path().join("two"), "xyz1").unwrap();
    assert_eq!(place.run(&pipeline("two")).computed, ["a", "b"]);
}

#[test]
fn more_items_compute_only_the_new_ones() {
    let place = Workplace::new();
    let journal = || std::fs::read_to_string(place.path().join("journal")).unwrap_or_default();
    let text = |count: u32| {
        format!("version: 1\nname: x\nstages:\n  a: {{kind: numbers, count: {count}, journal: journal}}\n")
    };
    place.run(&text(6));
    assert_eq!(journal().lines().count(), 6);
    assert_eq!(place.run(&text(9)).computed, ["a"]);
    assert_eq!(journal().lines().skip(6).collect::<Vec<_>>(), ["6", "7", "8"]);
    assert_eq!(place.run(&text(4)).computed, ["a"]);
    assert_eq!(journal().lines().count(), 9);
}

#[test]
fn equal_keys_within_a_pipeline_are_computed_once() {
    let place = Workplace::new();
    let text = "
version: 1
name: arms
rounds:
  count: 2
  for_each: {modulo: [5, 11]}
  stages:
    a: {kind: numbers, count: 4, journal: journal}
    b: {kind: remainder, of: a, also: previous.b, modulo: '${modulo}'}
";
    let (pipeline, plan) = place.plan(text);
    let twins: Vec<Option<usize>> = plan.stages.iter().map(|stage| stage.twin).collect();
    let names: Vec<String> = pipeline
        .stages
        .iter()
        .map(|stage| stage.name.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "a@1/5", "b@1/5", "a@1/11", "b@1/11", "a@2/5", "b@2/5", "a@2/11", "b@2/11"
        ]
    );
    assert_eq!(twins, [None, None, Some(0), None, Some(0), None, Some(0), None]);
    let run = place.run(text);
    assert_eq!(run.computed, ["a@1/5", "b@1/5", "b@1/11", "b@2/5", "b@2/11"]);
    assert_eq!(
        std::fs::read_to_string(place.path().join("journal")).unwrap(),
        "0\n1\n2\n3\n"
    );
}

#[test]
fn a_damaged_result_is_computed_again_with_the_same_content() {
    let place = Workplace::new();
    let first = place.run(PIPELINE);
    let listed = place.store.catalog().artifacts().unwrap();
    let damaged = listed.iter().find(|listed| listed.port == "remainder").unwrap();
    let blob = place.store.blobs().path(&damaged.artifact.file).unwrap();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, vec![0; usize::try_from(damaged.artifact.bytes).unwrap()]).unwrap();
    let second = place.run(PIPELINE);
    assert_eq!(second.computed.len(), 1, "{:?}", second.computed);
    assert_eq!(first.contents, second.contents);
}

#[test]
fn a_plan_says_what_changed_and_what_waits() {
    let place = Workplace::new();
    let (_, plan) = place.plan(PIPELINE);
    assert!(matches!(&plan.stages[0].state, PlanState::Miss(why) if matches!(why.cause, Cause::New)));
    assert_eq!((plan.stages[0].cost(), plan.seconds()), (None, None));
    assert!(matches!(&plan.stages[1].state, PlanState::Pending { waits_for, .. } if waits_for == &[0]));
    assert!(matches!(&plan.stages[2].state, PlanState::Pending { waits_for, .. } if waits_for == &[0, 1]));
    place.run(PIPELINE);
    let (_, plan) = place.plan(PIPELINE);
    assert!(plan.is_complete());
    let (_, plan) = place.plan(&PIPELINE.replace("modulo: 7", "modulo: 6"));
    let PlanState::Miss(explanation) = &plan.stages[1].state else {
        panic!("{plan:?}")
    };
    let Cause::Changed(differences) = &explanation.cause else {
        panic!("{plan:?}")
    };
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].path, "config.modulo");
    assert_eq!(differences[0].left, Some(7_i64.into()));
    assert_eq!(differences[0].right, Some(6_i64.into()));
    assert!(matches!(&plan.stages[2].state, PlanState::Pending { waits_for, .. } if waits_for == &[1]));
}

/// Such a record may come from a remote, or from a program with a mistake.
#[test]
fn a_record_that_cannot_be_that_of_the_stage_is_disowned_and_the_stage_computed() {
    for names in [&[][..], &["values"], &["values", "more"]] {
        let place = Workplace::new();
        let (_, plan) = place.plan(PIPELINE);
        let preimage = place
            .store
            .records()
            .put_preimage(plan.stages[0].preimage.as_ref().unwrap())
            .unwrap();
        let key = plan.stages[0].key.unwrap();
        let mut record = mitune_store::ActionRecord::new(key, preimage, "numbers", 1);
        let artifact = place.store.artifacts().put_json(&1).unwrap();
        record.outputs = names
            .iter()
            .map(|name| ((*name).to_owned(), artifact.clone()))
            .collect();
        place.store.records().publish(record).unwrap();
        assert_eq!(place.run(PIPELINE).computed, ["a", "b", "c"], "{names:?}");
        assert!(place.run(PIPELINE).computed.is_empty());
    }
}

#[test]
fn a_plan_estimates_the_cost_from_recorded_times() {
    let place = Workplace::new();
    place.run(&PIPELINE.replace("count: 6", "count: 6, delay_ms: 10"));
    let (_, plan) = place.plan(&PIPELINE.replace("count: 6", "count: 9"));
    let recorded = place
        .store
        .catalog()
        .actions()
        .unwrap()
        .find(|record| record.stage == "numbers")
        .unwrap();
    assert!(recorded.cost_seconds >= 0.06, "{}", recorded.cost_seconds);
    let effort = recorded.effort.unwrap();
    assert_eq!((effort.units, effort.share), (Some(6.0), 1.0));
    let cost = plan.stages[0].cost().unwrap();
    assert_eq!((cost.by, cost.measured), (recorded.key, recorded.ended));
    assert!(
        (cost.seconds / recorded.cost_seconds - 1.5).abs() < 1e-12,
        "{cost:?}"
    );
    // What waits is judged by the last time, too, and the whole is the sum.
    let sum: f64 = plan
        .stages
        .iter()
        .map(|stage| stage.cost().unwrap().seconds)
        .sum();
    assert_eq!(plan.seconds(), Some(sum));

    // Six of nine numbers were there: the record of the larger stage says that its time is that of a third.
    place.run(&PIPELINE.replace("count: 6", "count: 9, delay_ms: 10"));
    let mut records = place.store.catalog().actions().unwrap();
    let larger = records.find(|record| record.effort.and_then(|effort| effort.units) == Some(9.0));
    assert!((larger.unwrap().effort.unwrap().share - 1.0 / 3.0).abs() < 1e-12);
}

/// The files of a stage are digested before the first stage runs; what is read later must be the same.
#[test]
fn a_file_that_changes_during_the_run_is_not_recorded_under_its_former_key() {
    let place = Workplace::new();
    for name in ["own", "other"] {
        std::fs::write(place.path().join(name), name).unwrap();
    }
    let path = place.path().join("pipeline.yaml");
    let run = |text: &str| {
        std::fs::write(&path, format!("version: 1\nname: edited\nstages:\n{text}")).unwrap();
        crate::program::run(place.path(), &["run", "pipeline.yaml", "--store", "store"])
    };
    let itself = run("  a: {kind: digest, file: own, edits: own}\n");
    let message = "`file` of stage `a` changed while the pipeline ran";
    assert_eq!(
        (itself.code, itself.stderr.contains(message)),
        (Some(1), true),
        "{}",
        itself.stderr
    );

    let stages = "  a: {kind: digest, file: own, edits: other}\n  b: {kind: digest, file: other}\n";
    let later = run(stages);
    let message = "`file` of stage `b` changed while the pipeline ran";
    assert_eq!(
        (later.code, later.stderr.contains(message)),
        (Some(1), true),
        "{}",
        later.stderr
    );
    // The first stage is kept and edits nothing again.
    let again = run(stages);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("1 computed, 1 found"), "{}", again.stdout);
}
