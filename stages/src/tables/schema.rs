//! The tables that stages exchange, as Arrow schemas.
//!
//! Every table is written as Parquet that pyarrow, DuckDB, polars and Hugging Face `datasets` open as it is. List
//! elements keep Arrow's default element field (`item`, nullable), which those readers expect.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

/// The key of the Arrow schema metadata in which Hugging Face `datasets` looks for column features.
pub const HUGGINGFACE_METADATA_KEY: &str = "huggingface";

/// The features that make the column `image` decode to an image; all other columns are inferred from their type.
///
/// It must be in the metadata of the *Arrow schema*: in the Parquet footer alone it is ignored as soon as an Arrow
/// schema is stored too.
pub const HUGGINGFACE_IMAGE_FEATURES: &str = r#"{"info": {"features": {"image": {"_type": "Image"}}}}"#;

/// The table `prompts`: one row for each prompt, in the order of the sources.
///
/// `prompt_id` is unique even where texts repeat; `category` and `split` are null where the source does not know them;
/// `source` is a file name without directories, or the kind of the source; `line` counts its lines, or the rows of a
/// table, from 1.
#[must_use]
pub fn prompts() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("category", DataType::Utf8, true),
        Field::new("split", DataType::Utf8, true),
        Field::new("source", DataType::Utf8, false),
        Field::new("line", DataType::UInt32, false),
    ])
}

/// The table `candidates`: one row for each generated image of a prompt.
///
/// `mi_trace` holds one term per denoising step and `timesteps` the timestep of each; `latent` is the final latent,
/// row-major in `latent_shape` (channels, height, width) and still multiplied by the scaling factor of the VAE; `image`
/// is null where the latent was not decoded.
///
/// `mi_paper` and `mi_reference` hold what weight, range and reduction of these modes make of the same run, whose
/// trajectory is that of the settings; null where a mode has no timestep or no finite weight. `mi_weights` holds the
/// weight of each term of `mi_trace`. Tables of earlier versions lack these three columns.
#[must_use]
pub fn candidates() -> SchemaRef {
    table_with_image(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed", DataType::UInt64, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("mi", DataType::Float64, false),
        Field::new("mi_trace", list(DataType::Float32), false),
        Field::new("timesteps", list(DataType::Int32), false),
        Field::new("latent", list(DataType::Float32), false),
        Field::new("latent_shape", list(DataType::Int32), false),
        image_field(),
        Field::new("mi_paper", DataType::Float64, true),
        Field::new("mi_reference", DataType::Float64, true),
        Field::new("mi_weights", list(DataType::Float32), false),
    ])
}

/// The table `scores`: one row for each candidate, with one column for each name in `columns`, in that order.
#[must_use]
pub fn scores(columns: &[&str]) -> SchemaRef {
    scores_with_traces(columns, &[])
}

/// The table `scores` with the terms behind its columns.
///
/// For each name in `traces` there is a column `<name>_trace` with one term per timestep, `timesteps` says which these
/// are, and `mi_weights` which weight the terms of scores in nats have.
#[must_use]
pub fn scores_with_traces(columns: &[&str], traces: &[&str]) -> SchemaRef {
    let mut fields = vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
    ];
    fields.extend(
        columns
            .iter()
            .map(|name| Field::new(*name, DataType::Float64, false)),
    );
    if !traces.is_empty() {
        fields.push(Field::new("timesteps", list(DataType::Int32), false));
        fields.push(Field::new("mi_weights", list(DataType::Float32), false));
    }
    let traces = traces.iter().map(|name| format!("{name}_trace"));
    fields.extend(traces.map(|name| Field::new(name, list(DataType::Float32), false)));
    table(fields)
}

/// The table `selection`: the chosen candidates, with all that fine-tuning needs of them.
///
/// `score` is the value of the column by which they were chosen and `rank` their place among the candidates of their
/// prompt, from 0 for the best; `latent` and `latent_shape` are copied from the candidates.
#[must_use]
pub fn selection() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("score", DataType::Float64, false),
        Field::new("rank", DataType::UInt32, false),
        Field::new("latent", list(DataType::Float32), false),
        Field::new("latent_shape", list(DataType::Int32), false),
    ])
}

/// The table `evaluation`: what each generated image really shows, compared with its prompt.
///
/// `aligned` holds where every other check holds; `binding_ok` is null where colours or shapes are wrong already;
/// `failure` names what is wrong and is null for an aligned image; `read_out` tells in words what was read off the
/// pixels.
#[must_use]
pub fn evaluation() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("aligned", DataType::Boolean, false),
        Field::new("objects_ok", DataType::Boolean, false),
        Field::new("colours_ok", DataType::Boolean, false),
        Field::new("shapes_ok", DataType::Boolean, false),
        Field::new("binding_ok", DataType::Boolean, true),
        Field::new("failure", DataType::Utf8, true),
        Field::new("read_out", DataType::Utf8, false),
    ])
}

/// The table `set_metrics`: one row for each number that a whole set of images has, such as a distance to another set.
///
/// `low` and `high` are the ends of an interval, null where none was made; `images` and `reference_images` count the two
/// sets, the second null for a metric that looks at one set alone.
#[must_use]
pub fn set_metrics() -> SchemaRef {
    table(vec![
        Field::new("metric", DataType::Utf8, false),
        Field::new("value", DataType::Float64, false),
        Field::new("low", DataType::Float64, true),
        Field::new("high", DataType::Float64, true),
        Field::new("higher_is_better", DataType::Boolean, false),
        Field::new("images", DataType::UInt64, false),
        Field::new("reference_images", DataType::UInt64, true),
    ])
}

/// The table `losses`: one row for each update of a training.
///
/// `step` counts from 0; `gradient_norm` is the norm of the whole gradient before clipping.
#[must_use]
pub fn losses() -> SchemaRef {
    losses_with(&[])
}

/// The table `losses` of an objective that reports more than its loss: one further column for each of `curves`.
#[must_use]
pub fn losses_with(curves: &[&str]) -> SchemaRef {
    let mut fields = vec![
        Field::new("step", DataType::UInt64, false),
        Field::new("loss", DataType::Float64, false),
        Field::new("gradient_norm", DataType::Float64, false),
        Field::new("learning_rate", DataType::Float64, false),
    ];
    let curves = curves.iter();
    fields.extend(curves.map(|name| Field::new(*name, DataType::Float64, false)));
    table(fields)
}

/// The table `pairs`: one row for each pair of candidates of a prompt of which one is preferred.
///
/// Both latents are copied from the candidates, as in `selection`, and have the one `latent_shape`.
#[must_use]
pub fn pairs() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("preferred_seed_index", DataType::UInt32, false),
        Field::new("rejected_seed_index", DataType::UInt32, false),
        Field::new("preferred_latent", list(DataType::Float32), false),
        Field::new("rejected_latent", list(DataType::Float32), false),
        Field::new("latent_shape", list(DataType::Int32), false),
    ])
}

/// The table `weights`: one row for each candidate that counts in a training, with how much it counts.
///
/// `weight` is finite and not negative; `latent` and `latent_shape` are copied from the candidates.
#[must_use]
pub fn weights() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("weight", DataType::Float64, false),
        Field::new("latent", list(DataType::Float32), false),
        Field::new("latent_shape", list(DataType::Int32), false),
    ])
}

/// The table `latents`: one row for each given image of a prompt, of which only the latent is known.
///
/// `seed_index` counts the images of a prompt in the order of their source; `latent` is row-major in `latent_shape`
/// (channels, height, width), which may differ from row to row, and still multiplied by the scaling factor of the VAE.
#[must_use]
pub fn latents() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("latent", list(DataType::Float32), false),
        Field::new("latent_shape", list(DataType::Int32), false),
    ])
}

/// The table `images`: one row for each picture of a prompt that is no candidate, as a PNG file.
///
/// `seed_index` counts the images of a prompt in the order of their source.
#[must_use]
pub fn images() -> SchemaRef {
    table_with_image(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        image_field(),
    ])
}

/// The table `features`: one row for each candidate, with the directions of its image and its prompt in a CLIP.
///
/// Both are projected into the space that images and prompts share and have length 1, so that their product is a cosine.
#[must_use]
pub fn features() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("image_features", list(DataType::Float32), false),
        Field::new("text_features", list(DataType::Float32), false),
    ])
}

/// The table `contrasts`: one row for each image with its prompt, beside an image or a prompt that does not match.
///
/// `kind` is `image` where the image is mismatched, which is then `other_latent`, and `hard_text` or `random_text` where
/// the text is, which is then `other_prompt`: the prompt with words exchanged, or another prompt. `other_prompt` is the
/// prompt itself where the image is mismatched; `other_latent` is null where the text is. Both latents have the one
/// `latent_shape` and are still multiplied by the scaling factor of the VAE.
#[must_use]
pub fn contrasts() -> SchemaRef {
    table(vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("latent", list(DataType::Float32), false),
        Field::new("latent_shape", list(DataType::Int32), false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("other_prompt", DataType::Utf8, false),
        Field::new("other_latent", list(DataType::Float32), true),
    ])
}

/// The fields of an image value: the encoded `bytes` of the file and its `path`.
///
/// Names, order, types and nullability are those of the Hugging Face image feature; with any other, images are
/// silently read as plain structs.
#[must_use]
pub fn image_fields() -> Fields {
    Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ])
}

/// The nullable column `image`.
#[must_use]
pub fn image_field() -> Field {
    Field::new("image", DataType::Struct(image_fields()), true)
}

/// A schema whose column `image` is an image for Hugging Face `datasets`.
#[must_use]
pub fn table_with_image(fields: Vec<Field>) -> SchemaRef {
    let features = (
        HUGGINGFACE_METADATA_KEY.to_owned(),
        HUGGINGFACE_IMAGE_FEATURES.to_owned(),
    );
    Arc::new(Schema::new_with_metadata(fields, HashMap::from([features])))
}

fn table(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn list(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(schema: &Schema) -> Vec<String> {
        let describe = |field: &Arc<Field>| {
            let null = if field.is_nullable() { "?" } else { "" };
            format!("{}{null}: {}", field.name(), field.data_type())
        };
        schema.fields().iter().map(describe).collect()
    }

    #[test]
    fn the_candidates_table_is_the_published_one() {
        assert_eq!(
            describe(&candidates()),
            [
                "prompt_id: Utf8",
                "prompt: Utf8",
                "seed: UInt64",
                "seed_index: UInt32",
                "mi: Float64",
                "mi_trace: List(Float32)",
                "timesteps: List(Int32)",
                "latent: List(Float32)",
                "latent_shape: List(Int32)",
                "image?: Struct(\"bytes\": Binary, \"path\": Utf8)",
                "mi_paper?: Float64",
                "mi_reference?: Float64",
                "mi_weights: List(Float32)",
            ]
        );
    }

    #[test]
    fn the_prompts_table_is_the_published_one() {
        assert_eq!(
            describe(&prompts()),
            [
                "prompt_id: Utf8",
                "prompt: Utf8",
                "category?: Utf8",
                "split?: Utf8",
                "source: Utf8",
                "line: UInt32"
            ]
        );
    }

    #[test]
    fn the_tables_of_given_images_are_the_published_ones() {
        let latents = describe(&latents());
        let names = [
            "prompt_id: Utf8",
            "prompt: Utf8",
            "seed_index: UInt32",
            "latent: List(Float32)",
            "latent_shape: List(Int32)",
        ];
        assert_eq!(latents, names);
        let images = describe(&images());
        assert_eq!(images[..3], names[..3]);
        assert_eq!(images[3], "image?: Struct(\"bytes\": Binary, \"path\": Utf8)");
    }

    #[test]
    fn the_image_feature_names_a_column_that_exists() {
        let schema = candidates();
        let metadata: serde_json::Value =
            serde_json::from_str(&schema.metadata()[HUGGINGFACE_METADATA_KEY]).expect("valid JSON");
        let features = metadata["info"]["features"].as_object().expect("features");
        for (name, feature) in features {
            assert!(schema.field_with_name(name).is_ok(), "no column {name}");
            assert_eq!(feature["_type"], "Image");
        }
    }

    #[test]
    fn score_columns_keep_their_order() {
        let schema = scores(&["mi_signed", "itm"]);
        assert_eq!(
            describe(&schema),
            [
                "prompt_id: Utf8",
                "seed_index: UInt32",
                "mi_signed: Float64",
                "itm: Float64"
            ]
        );
        let traced = scores_with_traces(&["itm"], &["itm"]);
        assert_eq!(
            describe(&traced)[3..],
            [
                "timesteps: List(Int32)",
                "mi_weights: List(Float32)",
                "itm_trace: List(Float32)"
            ]
        );
    }
}
