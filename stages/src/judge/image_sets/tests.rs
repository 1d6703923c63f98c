use std::fs;

use mitune_diffusion::image::RgbImage;

use super::*;
use crate::contract::Silent;
use crate::testing::trial_clip;

fn write_images(folder: &Path, count: u32, phase: u32) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let (width, height) = (8 + 5 * (number % 3), 11);
        let pixels = (0..width * height * 3).map(|i| ((i * (number + 3) + phase) * 97 % 251) as u8);
        let png = RgbImage::new(width, height, pixels.collect())
            .unwrap()
            .to_png()
            .unwrap();
        fs::write(folder.join(format!("{number}.png")), png).unwrap();
    }
}

fn plan(folder: &Path, judge: SetJudge) -> ImageSets {
    let clip = folder.join("clip");
    fs::create_dir_all(&clip).unwrap();
    trial_clip::write(&clip, 1);
    write_images(&folder.join("images"), 5, 0);
    write_images(&folder.join("reference"), 4, 60);
    ImageSets {
        judge,
        model: clip,
        device: "cpu".parse().unwrap(),
        dtype: Dtype::F32,
        batch_size: NonZeroU32::new(3).unwrap(),
        images: folder.join("images"),
        reference: folder.join("reference"),
        resampling: None,
    }
}

fn run(plan: &ImageSets) -> Result<SetsDistance, StageError> {
    plan.distance(&Silent, &AtomicBool::new(false))
}

#[test]
fn folders_are_compared_whatever_the_sizes_of_their_images() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), SetJudge::Cmmd);
    let apart = run(&plan).unwrap();
    assert_eq!((apart.images, apart.reference), (5, 4));
    assert!(apart.distance > 0.0 && apart.estimate.is_none(), "{apart:?}");
    let same = ImageSets {
        reference: plan.images.clone(),
        ..plan.clone()
    };
    assert!(run(&same).unwrap().distance < 1e-9);
    let resampled = ImageSets {
        resampling: Some(Resampling {
            replicates: 20,
            ..Resampling::default()
        }),
        batch_size: NonZeroU32::new(3).unwrap(),
        ..plan
    };
    let estimate = run(&resampled).unwrap();
    assert_eq!(estimate.distance, apart.distance);
    assert!(estimate.estimate.unwrap().high > apart.distance);
}

#[test]
fn what_is_no_image_is_left_out_and_what_is_broken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), SetJudge::Cmmd);
    let clean = run(&plan).unwrap().distance;
    fs::write(plan.images.join("notes.txt"), "captions").unwrap();
    fs::create_dir(plan.images.join("more.png")).unwrap();
    // An image is known by its content.
    fs::rename(plan.images.join("4.png"), plan.images.join("four")).unwrap();
    assert!((run(&plan).unwrap().distance / clean - 1.0).abs() < 1e-9);
    let note = ImageFolder::list(&plan.images).unwrap().note().unwrap();
    assert!(
        note.ends_with("as they are no images: `more.png`, `notes.txt`"),
        "{note}"
    );
    fs::write(plan.images.join("broken.jpg"), "no image").unwrap();
    let error = run(&plan).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    assert!(error.to_string().contains("broken.jpg"), "{error}");
}

#[test]
fn sets_that_are_too_small_and_networks_that_are_not_there_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), SetJudge::Fid);
    let refused = |plan: &ImageSets, words: &str| {
        let error = run(plan).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&plan, "pt_inception-2015-12-05-6726825d.pth");
    let one = folder.path().join("one");
    write_images(&one, 1, 0);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for judge in [SetJudge::Fid, SetJudge::FdDino] {
        let few = ImageSets {
            judge,
            images: one.clone(),
            ..plan.clone()
        };
        refused(&few, "needs at least 2");
    }
    for reference in [empty, folder.path().join("none")] {
        let other = ImageSets {
            reference: reference.clone(),
            ..plan.clone()
        };
        refused(&other, &reference.display().to_string());
    }
    let dino = ImageSets {
        judge: SetJudge::FdDino,
        ..plan
    };
    refused(&dino, "config.json");
}

/// Names of files are bytes to the system, and an image is one whatever it is called.
#[cfg(target_os = "linux")]
#[test]
fn an_image_whose_name_is_no_unicode_counts() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), SetJudge::Cmmd);
    let name = std::ffi::OsStr::from_bytes(b"bad\xff.png");
    fs::copy(plan.images.join("0.png"), plan.images.join(name)).unwrap();
    let listed = ImageFolder::list(&plan.images).unwrap();
    assert_eq!((listed.len(), listed.note()), (6, None));
    assert_eq!(run(&plan).unwrap().images, 6);
}

/// Asks to stop once the images are done.
struct StopBeforeResamples<'a>(&'a AtomicBool);

impl Progress for StopBeforeResamples<'_> {
    fn begin(&self, work: Work) {
        if work.unit == "resamples" {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    fn advance(&self, _: u64) {}
    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

#[test]
fn resampling_ends_once_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let plan = ImageSets {
        resampling: Some(Resampling {
            replicates: 1_000_000_000,
            ..Resampling::default()
        }),
        ..plan(folder.path(), SetJudge::Cmmd)
    };
    let cancelled = AtomicBool::new(false);
    let stopped = plan.distance(&StopBeforeResamples(&cancelled), &cancelled);
    assert!(matches!(stopped, Err(StageError::Interrupted)));
}
