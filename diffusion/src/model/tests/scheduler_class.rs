//! Which scheduler a model has, where its two files say different things.

use super::*;

/// As diffusers' `DiffusionPipeline.from_pretrained`, which builds the class of the index from any file of settings.
#[test]
fn the_index_names_the_scheduler_and_the_file_where_the_index_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    tiny(folder.path()).write(&path, None).unwrap();
    let found = || {
        let model = ModelDirectory::open(&path).unwrap();
        let digest = model.digests().unwrap().scheduler;
        (model.scheduler_config().class_name.clone(), digest)
    };
    let edit = |file: &str, from: &str, to: &str| {
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    };
    let agreed = found();
    assert_eq!(agreed.0, "DDPMScheduler");
    let settings = "scheduler/scheduler_config.json";
    edit(settings, "\"DDPMScheduler\"", "\"EulerDiscreteScheduler\"");
    assert_eq!(found(), agreed);
    edit(settings, "\"EulerDiscreteScheduler\"", "null");
    assert_eq!(found(), agreed);
    edit(
        settings,
        "\"_class_name\": null",
        "\"_class_name\": \"PNDMScheduler\"",
    );
    edit("model_index.json", "\"DDPMScheduler\"", "null");
    assert_eq!(found().0, "PNDMScheduler");
}
