//! `preprocessor_config.json` of a CLIP.

use mitune_diffusion::config_fields::{ConfigFields, SettingError, TRANSFORMERS, number, positive};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::geometry::Size;
use super::normalisation::{CLIP, Moments};
use super::sides_are_supported;

/// What transformers' `CLIPImageProcessor` is told, with its defaults for what a file leaves out.
///
/// Images become RGB whatever `do_convert_rgb` says: without it the reference takes RGB alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct ClipImageSettings {
    pub(super) size: Size,
    /// Height and width of what is kept.
    pub(super) crop: Option<[usize; 2]>,
    /// What colours are multiplied by.
    pub(super) factor: f64,
    pub(super) moments: Moments,
    pub(super) backend: ImageBackend,
}

/// The library that transformers resizes with: scores differ by a thousandth of their spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageBackend {
    /// Pillow, as in transformers 4, with which published scores were made; alpha is dropped.
    #[default]
    Pillow,
    /// torchvision, as in transformers 5; what is transparent becomes white.
    Torchvision,
}

impl ClipImageSettings {
    /// The same with another library.
    pub fn with_backend(self, backend: ImageBackend) -> Self {
        Self { backend, ..self }
    }
}

impl Default for ClipImageSettings {
    fn default() -> Self {
        Self {
            size: Size::ShorterSide(224),
            crop: Some([224, 224]),
            factor: 1.0 / 255.0,
            moments: CLIP,
            backend: ImageBackend::default(),
        }
    }
}

/// Fields that say how images are handed over, not what is made of them.
const IRRELEVANT: [&str; 11] = [
    "_valid_processor_keys",
    "auto_map",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_rgb",
    "feature_extractor_type",
    "input_data_format",
    "processor_class",
    "return_tensors",
];

/// The classes that do what is done here.
const KINDS: [&str; 4] = [
    "CLIPFeatureExtractor",
    "CLIPImageProcessor",
    "CLIPImageProcessorFast",
    "CLIPImageProcessorPil",
];

impl TryFrom<Map<String, Value>> for ClipImageSettings {
    type Error = SettingError;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, SettingError> {
        // To transformers `null` is a field left out.
        fields.retain(|_, value| !value.is_null());
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        fields.take("image_processor_type", "a class of CLIP", (), |value| {
            KINDS.contains(&value.as_str()?).then_some(())
        })?;
        fields.take("resample", "3 (bicubic)", (), |value| {
            (value.as_u64() == Some(3)).then_some(())
        })?;
        let default = Self::default();
        let size = fields.take(
            "size",
            "an edge or a height and a width of 1 to 4096",
            default.size,
            size,
        )?;
        let crop = fields.take("crop_size", "a height and a width of 1 to 4096", [224, 224], crop)?;
        let factor = fields.take("rescale_factor", "a number above 0", default.factor, |value| {
            number(value).filter(|factor| *factor > 0.0)
        })?;
        let moments = Moments {
            mean: fields.take("image_mean", "three numbers", CLIP.mean, three)?,
            std: fields.take("image_std", "three numbers above 0", CLIP.std, |value| {
                three(value).filter(|deviations| deviations.iter().all(|deviation| *deviation as f32 > 0.0))
            })?,
        };
        let mut is_on = |field: &str| fields.take(field, "`true` or `false`", true, Value::as_bool);
        let (resizes, crops) = (is_on("do_resize")?, is_on("do_center_crop")?);
        let (rescales, normalises) = (is_on("do_rescale")?, is_on("do_normalize")?);
        for field in ["do_pad", "use_square_size"] {
            fields.refuse(field, &[json!(false)])?;
        }
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        let size = if resizes { size } else { Size::Unchanged };
        if !crops && !matches!(size, Size::Exact { .. }) {
            return Err(SettingError::Unsupported {
                field: "do_center_crop".to_owned(),
                found: "false".to_owned(),
                supported: "`true`, or a `size` of a height and a width, which makes all images alike,"
                    .to_owned(),
            });
        }
        Ok(Self {
            size,
            crop: crops.then_some(crop),
            factor: if rescales { factor } else { 1.0 },
            moments: match normalises {
                true => moments,
                false => Moments {
                    mean: [0.0; 3],
                    std: [1.0; 3],
                },
            },
            backend: default.backend,
        })
    }
}

/// The size to resize to; a number alone is that of the shorter side.
fn size(value: &Value) -> Option<Size> {
    let Value::Object(sides) = value else {
        return side(value).map(Size::ShorterSide);
    };
    let named = |name: &str| sides.get(name).filter(|length| !length.is_null());
    let others = sides
        .keys()
        .any(|name| !["shortest_edge", "height", "width"].contains(&name.as_str()) && named(name).is_some());
    match (named("shortest_edge"), named("height"), named("width")) {
        _ if others => None,
        (Some(edge), None, None) => side(edge).map(Size::ShorterSide),
        (None, Some(height), Some(width)) => Some(Size::Exact {
            height: side(height)?,
            width: side(width)?,
        }),
        _ => None,
    }
}

/// Height and width; a number alone is both.
fn crop(value: &Value) -> Option<[usize; 2]> {
    match value {
        Value::Object(sides) => Some([side(sides.get("height")?)?, side(sides.get("width")?)?]),
        length => side(length).map(|length| [length; 2]),
    }
}

fn side(value: &Value) -> Option<usize> {
    positive(value).filter(|length| sides_are_supported(&[*length]))
}

fn three(value: &Value) -> Option<[f64; 3]> {
    let numbers: Vec<f64> = value.as_array()?.iter().map(number).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClipImageSettings, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn files_of_every_age_are_read() {
        let default = ClipImageSettings::default();
        assert_eq!(read("{}").unwrap(), default);
        let old = r#"{"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
            "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224}"#;
        assert_eq!(read(old).unwrap(), default);
        let new = r#"{"crop_size": {"height": 336, "width": 336}, "image_processor_type": "CLIPImageProcessor",
            "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 336, "longest_edge": null},
            "do_pad": null, "transformers_version": "5.24.0"}"#;
        let found = read(new).unwrap();
        assert_eq!(
            (found.size, found.crop),
            (Size::ShorterSide(336), Some([336, 336]))
        );
        assert_eq!(found.factor, 1.0 / 255.0);
        let exact =
            r#"{"size": {"height": 30, "width": 20}, "do_center_crop": false, "do_normalize": false}"#;
        let square = read(exact).unwrap();
        let size = Size::Exact {
            height: 30,
            width: 20,
        };
        assert_eq!((square.size, square.crop), (size, None));
        assert_eq!(square.moments.std, [1.0; 3]);
        let torchvision = default.with_backend(ImageBackend::Torchvision);
        assert_eq!(torchvision.backend, ImageBackend::Torchvision);
    }

    #[test]
    fn what_would_be_done_otherwise_is_refused_by_name() {
        for (text, field) in [
            (r#"{"resample": 2}"#, "resample"),
            (r#"{"size": {"shortest_edge": 0}}"#, "size"),
            (r#"{"size": {"longest_edge": 224}}"#, "size"),
            (r#"{"size": 100000}"#, "size"),
            (r#"{"crop_size": {"height": 224}}"#, "crop_size"),
            (r#"{"image_std": [1, 0, 1]}"#, "image_std"),
            (r#"{"image_mean": [1, 2]}"#, "image_mean"),
            (r#"{"rescale_factor": -1}"#, "rescale_factor"),
            (r#"{"do_center_crop": false}"#, "do_center_crop"),
            (r#"{"do_resize": "yes"}"#, "do_resize"),
            (r#"{"do_pad": true}"#, "do_pad"),
            (
                r#"{"image_processor_type": "BlipImageProcessor"}"#,
                "image_processor_type",
            ),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(&format!("`{field}`")), "{text}: {message}");
        }
    }
}
