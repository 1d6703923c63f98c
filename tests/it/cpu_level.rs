//! Which vector instructions the CPU device uses, and how a user holds it to lower ones.

use serde_json::Value;

use crate::program::{ended, real_command};
use crate::workplace::Workplace;

fn doctor(level: Option<&str>, arguments: &[&str]) -> crate::program::Ended {
    let place = Workplace::new();
    let mut command = real_command(place.path(), arguments);
    match level {
        Some(level) => command.env("MITUNE_CPU_LEVEL", level),
        None => command.env_remove("MITUNE_CPU_LEVEL"),
    };
    ended(command.output().unwrap())
}

fn levels(document: &Value) -> Vec<&str> {
    let available = document["cpu_level"]["available"].as_array().unwrap();
    available.iter().map(|level| level.as_str().unwrap()).collect()
}

#[test]
fn doctor_says_which_level_runs_and_which_there_are() {
    let best = doctor(None, &["--json", "doctor"]);
    let best: Value = serde_json::from_str(&best.stdout).unwrap();
    let available = levels(&best);
    assert_eq!(available[0], "baseline");
    assert_eq!(best["cpu_level"]["in_force"], *available.last().unwrap());
    for level in &available {
        let held = doctor(Some(level), &["--json", "doctor"]);
        let held: Value = serde_json::from_str(&held.stdout).unwrap();
        assert_eq!(held["cpu_level"]["in_force"], *level);
        assert_eq!(levels(&held), available);
        let text = doctor(None, &["--cpu-level", level, "doctor"]).stdout;
        let line = format!("cpu level {level} of {}\n", available.join(", "));
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn a_level_that_cannot_be_is_refused() {
    let unknown = doctor(Some("avx3"), &["doctor"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.stderr.contains("There is no CPU level `avx3`"),
        "{}",
        unknown.stderr
    );
    let foreign = if cfg!(target_arch = "aarch64") {
        "avx2"
    } else {
        "neon"
    };
    let lacking = doctor(Some(foreign), &["doctor"]);
    assert_eq!(lacking.code, Some(2));
    let message = format!("This processor cannot run CPU level `{foreign}`; it can run `baseline`");
    assert!(lacking.stderr.contains(&message), "{}", lacking.stderr);
    assert!(lacking.stderr.contains("Hint: "), "{}", lacking.stderr);
}
