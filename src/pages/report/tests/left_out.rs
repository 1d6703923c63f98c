//! What a page does not show is counted.

use std::collections::BTreeSet;

use mitune_store::RunStatus;

use super::html::check_nesting;
use super::{ReportOptions, SMALL, page, quick, write_report};
use crate::inspect::report::fixture::{
    FakeCandidate, FakeStage, Fixture, Size, candidates, decode, losses, prompts, study,
};

#[test]
fn pools_and_models_without_room_are_counted() {
    let fixture = study(SMALL);
    let names = [
        "pool@1/mi_signed",
        "pool@1/random",
        "pool@2/mi_signed",
        "pool@2/random",
    ];
    let names = names.into_iter().chain([
        "test",
        "test@1/mi_signed",
        "test@1/random",
        "test@2/mi_signed",
        "test@2/random",
    ]);
    let pools: BTreeSet<String> = names.map(|name| fixture.record(name).key.to_string()).collect();
    let run = fixture.finish(RunStatus::Succeeded);
    let mut decode = decode;
    let options = ReportOptions {
        decoder: Some(&mut decode),
        pools: 2,
        ..quick()
    };
    let page = write_report(&fixture.store, &run, options).expect("written");
    check_nesting(&page);
    let others = pools.len() - 2;
    assert!(page.contains(&format!(
        "{others} more pools of candidates of this run: no chart."
    )));
    let others = pools.len() - 1;
    assert!(page.contains(&format!(
        "{others} more pools of candidates of this run: not shown here."
    )));
    // The arms of the first round, and the candidates for training of both rounds.
    assert!(
        page.contains("Not shown here: 2 more tuned models on these prompts, 1 comparison on other prompts.")
    );
    assert!(page.contains("2 more tuned models in the table below."));
}

#[test]
fn rows_that_no_chart_can_draw_are_counted() {
    let image = mitune_stages::image::RgbImage::new(2, 2, vec![9; 12]).expect("fits");
    let mut fixture = Fixture::new("odd rows");
    let text = ("1".to_owned(), "a dog".to_owned());
    let table = prompts(&fixture.store, std::slice::from_ref(&text));
    fixture.add(FakeStage {
        outputs: vec![("prompts", table)],
        ..FakeStage::of("prompts", "ingest")
    });
    let traces = [vec![1.0, 2.0], vec![f32::NAN, 2.0], vec![1.0], vec![3.0, 4.0]];
    let rows: Vec<FakeCandidate> = (0..)
        .zip(traces)
        .map(|(seed_index, trace)| FakeCandidate {
            prompt_id: text.0.clone(),
            prompt: text.1.clone(),
            seed_index,
            mi: f64::from(seed_index),
            trace,
            image: image.clone(),
            pixels: true,
        })
        .collect();
    let table = candidates(&fixture.store, &rows);
    fixture.add(FakeStage {
        inputs: &[("prompts", "prompts", "prompts")],
        outputs: vec![("candidates", table)],
        ..FakeStage::of("candidates", "generate")
    });
    let table = losses(&fixture.store, &[0.5, f64::INFINITY, 0.25, f64::NAN, 0.125]);
    fixture.add(FakeStage {
        outputs: vec![("losses", table)],
        ..FakeStage::of("adapter", "finetune")
    });
    let page = page(&fixture).expect("written");
    check_nesting(&page);
    assert!(page.contains("all candidates (2)"), "{page}");
    assert!(page.contains("2 candidates without a usable trace"));
    assert!(page.contains("2 steps whose loss is no finite number"));
    assert!(!page.contains("more pool"));
}

#[test]
fn a_large_run_makes_a_page_of_bounded_size() {
    let images = |size: Size| {
        let fixture = study(size);
        let run = fixture.finish(RunStatus::Succeeded);
        let mut decode = decode;
        let options = ReportOptions {
            decoder: Some(&mut decode),
            prompts: 8,
            ..quick()
        };
        let page = write_report(&fixture.store, &run, options).expect("written");
        check_nesting(&page);
        page.matches("<img ").count()
    };
    let large = Size {
        train_prompts: 24,
        candidates: 30,
        test_prompts: 40,
        test_images: 8,
    };
    // 8 prompts: 24 candidates and the ends of three scores; 6 seeds by three models.
    assert_eq!(images(large), 8 * (24 + 3 * 2) + 8 * 6 * 3);
}
