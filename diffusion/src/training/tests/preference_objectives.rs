//! The objectives of the papers on a small denoiser: what they begin with, and that they learn.

use std::f64::consts::LN_2;

use burn::tensor::{Device, Tensor};

use super::objectives::{pairs, start};
use crate::adapter::AdapterMethod;
use crate::conditioning::Conditioning;
use crate::training::objectives::{
    ContrastWeight, DiffusionDpo, DiffusionRpo, Divergence, FDivergenceDpo, Gors, HardNegatives,
    SupervisedFineTuning,
};
use crate::training::{ContrastedPairBatch, Denoising, Objective, PairBatch, StepReport, WeightedBatch};
use crate::unet::UNet2DConditionModel;

/// Eight updates, all on the same batch.
fn train<O: Objective<UNet2DConditionModel>>(objective: O, batch: impl Fn() -> O::Batch) -> Vec<StepReport> {
    let mut training = start(AdapterMethod::Lora, objective);
    (0..8).map(|_| training.step([batch()]).unwrap()).collect()
}

fn assert_learns(reports: &[StepReport]) {
    let losses: Vec<f64> = reports.iter().map(|report| report.update.loss).collect();
    assert!(losses[7] < losses[0], "{losses:?}");
}

fn assert_prefers<O>(objective: O)
where
    O: Objective<UNet2DConditionModel, Batch = PairBatch<Conditioning>>,
{
    let reports = train(objective, || pairs(0));
    assert!((reports[0].update.loss - LN_2).abs() < 5e-3, "{reports:?}");
    assert_learns(&reports);
    assert!(reports[7].curves[0] > 0.0, "{reports:?}");
}

#[test]
fn preferences_begin_with_ln_2_and_are_learned() {
    assert_prefers(DiffusionDpo { beta: 2000.0 });
    for divergence in [
        Divergence::ForwardKl,
        Divergence::JensenShannon,
        Divergence::Alpha { alpha: 0.5 },
    ] {
        assert_prefers(FDivergenceDpo {
            divergence,
            beta: 1.0,
            scale: 2000.0,
        });
    }
}

#[test]
fn contrasts_within_a_batch_begin_with_ln_2_and_are_learned() {
    let features = || Tensor::<2>::from_data([[1.0_f32, 0.0], [0.6, 0.8]], &Device::flex().autodiff());
    for weight in [ContrastWeight::Outside, ContrastWeight::Inside] {
        let objective = DiffusionRpo {
            beta: 2000.0,
            tau: 0.5,
            weight,
        };
        let reports = train(objective, || ContrastedPairBatch {
            pairs: pairs(0),
            features: [features(), features()],
        });
        assert!((reports[0].update.loss - LN_2).abs() < 5e-3, "{reports:?}");
        assert_learns(&reports);
    }
}

/// With features that say nothing apart from the own pair it is Diffusion-DPO, however many pairs a batch has.
#[test]
fn contrasts_with_the_own_pair_alone_are_those_of_diffusion_dpo() {
    let features = || Tensor::<2>::from_data([[1.0_f32, 0.0], [0.0, 1.0]], &Device::flex().autodiff());
    let objective = DiffusionRpo {
        beta: 2000.0,
        tau: 1e-3,
        weight: ContrastWeight::Outside,
    };
    let contrasted = train(objective, || ContrastedPairBatch {
        pairs: pairs(0),
        features: [features(), features()],
    });
    let preferred = train(DiffusionDpo { beta: 2000.0 }, || pairs(0));
    for (found, expected) in contrasted.iter().zip(&preferred).take(2) {
        assert!(
            (found.update.loss - expected.update.loss).abs() < 1e-4,
            "{found:?} {expected:?}"
        );
        assert!((found.curves[0] - expected.curves[0]).abs() < 1e-3, "{found:?}");
    }
}

#[test]
fn weights_of_1_and_winners_alone_are_the_denoising_loss() {
    let plain = train(Denoising, || pairs(0).preferred);
    let winners = train(SupervisedFineTuning, || pairs(0));
    let weighted = |weight: f64| {
        train(Gors, || WeightedBatch {
            items: pairs(0).preferred,
            weights: Tensor::full([2], weight, &Device::flex().autodiff()),
        })
    };
    let (ones, halves) = (weighted(1.0), weighted(0.5));
    assert_learns(&plain);
    // Later on rounding is what moves the smallest gradients.
    for (step, plain) in plain.iter().enumerate().take(2) {
        for found in [&winners, &ones] {
            let found = found[step].update.loss;
            assert!(
                (found / plain.update.loss - 1.0).abs() < 1e-4,
                "{found} {plain:?}"
            );
        }
    }
    assert!((halves[0].update.loss / ones[0].update.loss - 0.5).abs() < 1e-6);
}

#[test]
fn mismatched_items_count_as_far_as_the_cap() {
    let reports = train(HardNegatives::default(), || pairs(0));
    for report in &reports {
        let (matched, mismatched) = (report.curves[0], report.curves[1]);
        let expected = matched - mismatched.min(matched);
        assert!((report.update.loss - expected).abs() < 1e-5, "{report:?}");
    }
}
