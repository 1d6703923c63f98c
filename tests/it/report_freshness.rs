//! The page that a run names tells of that run's results.

use std::fs;

use crate::program::{Ended, run_real};
use crate::small_pipeline::{PIPELINE, Place};

fn run(place: &Place, more: &[&str]) -> Ended {
    run_real(
        place.path(),
        &[&["run", "reported.yaml", "--device", "cpu"], more].concat(),
    )
}

#[test]
fn a_page_of_other_results_is_written_anew() {
    let place = Place::new();
    fs::write(
        place.path().join("reported.yaml"),
        format!("{PIPELINE}report: {{path: page.html}}\n"),
    )
    .unwrap();
    let page = place.path().join("page.html");
    let mark = |more: &[&str]| {
        let ended = run(&place, more);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let text = fs::read_to_string(&page).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let first = mark(&[]);
    assert!(first.contains("<!-- results "), "{first}");
    let untouched = fs::read(&page).unwrap();
    assert_eq!(mark(&[]), first);
    assert_eq!(fs::read(&page).unwrap(), untouched, "nothing changed");
    assert_ne!(mark(&["--set", "seed=4"]), first);
    assert_eq!(mark(&[]), first, "settings of an earlier run came back");
    // As after a run that ended before its report.
    fs::write(&page, "<!DOCTYPE html>OLD").unwrap();
    assert_eq!(mark(&[]), first);
    fs::write(&page, "no page").unwrap();
    let refused = run(&place, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("page.html"), "{}", refused.stderr);
    assert_eq!(fs::read(&page).unwrap(), b"no page");
}
