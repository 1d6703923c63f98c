//! Which stages a reference reaches, in rounds and arms.

use crate::workplace::{Workplace, pipeline};

fn sources(text: &str, stage: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path(), text, &[]).unwrap();
    let stage = pipeline
        .stages
        .iter()
        .find(|other| other.name.to_string() == stage)
        .unwrap();
    stage
        .sources()
        .map(|source| format!("{}:{}", pipeline.stages[source.stage].name, source.output))
        .collect()
}

const ROUNDS: &str = "
version: 1
name: rounds
stages:
  seedling: {kind: numbers, count: 2}
finally:
  last: {kind: remainder, of: sum@last/b/2, also: seedling, modulo: 9}
  every: {kind: remainder, all: [sum@*/a/1, seedling, sum@1/*/2, grow@first/a/*:remainder], modulo: 9}
rounds:
  count: 3
  for_each: {arm: [a, b], k: [1, 2]}
  stages:
    grow: {kind: remainder, of: seedling, also: previous.sum, modulo: 9, label: '${arm}-${round}'}
    sum: {kind: remainder, of: grow, all: [grow@1], modulo: 9}
";

#[test]
fn references_reach_their_round_and_arm() {
    assert_eq!(sources(ROUNDS, "grow@1/a/1"), ["seedling:values"]);
    assert_eq!(
        sources(ROUNDS, "grow@3/b/2"),
        ["seedling:values", "sum@2/b/2:remainder"]
    );
    assert_eq!(
        sources(ROUNDS, "sum@2/b/1"),
        ["grow@2/b/1:remainder", "grow@1/b/1:remainder"]
    );
    assert_eq!(
        sources(ROUNDS, "last"),
        ["sum@3/b/2:remainder", "seedling:values"]
    );
    assert_eq!(
        sources(ROUNDS, "every"),
        [
            "sum@1/a/1:remainder",
            "sum@2/a/1:remainder",
            "sum@3/a/1:remainder",
            "seedling:values",
            "sum@1/a/2:remainder",
            "sum@1/b/2:remainder",
            "grow@1/a/1:remainder",
            "grow@1/a/2:remainder",
        ]
    );
}

/// Arms in a list are those arms and no other; their variables keep the order of the first.
#[test]
fn listed_arms() {
    let text = "
version: 1
name: listed
stages:
  seedling: {kind: numbers, count: 2}
rounds:
  count: 1
  for_each: [{arm: a, k: 5}, {k: 11, arm: a}, {arm: b, k: 5}]
  stages:
    grow: {kind: remainder, of: seedling, modulo: '${k}', label: '${arm}'}
finally:
  every: {kind: remainder, all: [grow@*/a/*, grow@1/b/5], modulo: 9}
";
    assert_eq!(
        sources(text, "every"),
        [
            "grow@1/a/5:remainder",
            "grow@1/a/11:remainder",
            "grow@1/b/5:remainder"
        ]
    );
}

/// A stage that no variable of `vars`, or none of the arms that are left, lets stand is no unknown one.
#[test]
fn a_stage_whose_when_does_not_hold_is_nothing() {
    let text = "
version: 1
name: switched
vars: {extra: false}
stages:
  seedling: {kind: numbers, count: 2}
  extra: {kind: numbers, count: 3, when: {extra: true}}
  several: {kind: remainder, of: seedling, also: extra, all: [extra, seedling], modulo: 9}
rounds:
  count: 2
  for_each: {arm: [a, b]}
  stages:
    grow: {kind: remainder, of: seedling, also: previous.sum, modulo: 9, label: '${arm}', when: {arm: b}}
    sum: {kind: remainder, of: seedling, also: grow, all: [previous.grow], modulo: 7}
finally:
  every: {kind: remainder, all: [seedling, 'grow@*/*', grow@1/b], modulo: 9}
";
    assert_eq!(sources(text, "several"), ["seedling:values", "seedling:values"]);
    let folder = tempfile::tempdir().unwrap();
    let with = |text: &str, set: &[&str]| pipeline(folder.path(), text, set);
    let on = with(text, &["vars.extra=true"]).unwrap();
    let several = on.stages.iter().find(|stage| stage.name.stage == "several");
    assert_eq!(several.unwrap().sources().count(), 4);
    let left = with(
        text,
        &[
            "rounds.for_each.arm=[a]",
            "finally.every.all=[seedling, 'grow@*/*']",
        ],
    )
    .unwrap();
    let inputs = |name: &str| {
        let stages = left.stages.iter().filter(|stage| stage.name.stage == name);
        stages.map(|stage| stage.sources().count()).collect::<Vec<_>>()
    };
    assert_eq!(inputs("sum"), [1, 1]);
    assert_eq!(inputs("every"), [1]);
    let needed = text.replace("of: seedling, also: extra", "of: extra");
    let error = with(&needed, &[]).err().unwrap().to_string();
    assert!(
        error.contains("`extra` stands for no stage, since no `when` of it holds, but `of` needs a value"),
        "{error}"
    );
    let odd = with(&text.replace("also: extra", "also: extras"), &[])
        .err()
        .unwrap();
    assert!(odd.to_string().contains("Unknown stage `extras`"), "{odd}");
}

#[test]
fn rounds_feed_each_other() {
    let place = Workplace::new();
    let text = "
version: 1
name: chain
rounds:
  count: 3
  stages:
    square: {kind: numbers, count: '${round}'}
    total: {kind: remainder, of: square, also: previous.total, modulo: 1000}
finally:
  reached: {kind: remainder, of: total@last, modulo: 1000}
  expected: {kind: numbers, count: 3}
";
    let run = place.run(text);
    // The squares below 1, 2 and 3 add up to 0 + 1 + 5 = 6.
    let six = place.run("version: 1\nname: six\nstages:\n  a: {kind: numbers, count: 3}\n  b: {kind: remainder, of: a, also: c, modulo: 1000}\n  c: {kind: numbers, count: 2}\n");
    assert_eq!(run.contents["reached:remainder"], six.contents["b:remainder"]);
}

#[test]
fn assignments_change_the_pipeline_before_it_is_unrolled() {
    let place = Workplace::new();
    let run = place.run_with(
        ROUNDS,
        &[
            "rounds.count=1",
            "rounds.for_each.arm=[b]",
            "finally.every.all=[seedling]",
        ],
    );
    // The two values of `k` give equal keys: no setting depends on it.
    assert_eq!(
        run.computed,
        ["seedling", "grow@1/b/1", "sum@1/b/1", "last", "every"]
    );
}
