//! Files of open_clip: their names of tensors and their configuration.
//!
//! Its networks are those of transformers with queries, keys and values in one tensor and projections turned, so that
//! they are loaded as a [`ClipModel`](super::ClipModel).

mod config;

pub use config::read_open_clip_config;
pub(crate) use config::vit_h_14;

use mitune_diffusion::nn::weights::{Dtype, HostTensor, PartReader, TensorSource, WeightsError};

use super::renamed_tensors::{Cut, Piece, RenamedTensors};

/// The tensors of a file of open_clip under transformers' names.
///
/// Both of its classes are read: `CLIP`, whose text model lies at the top, and `CustomTextCLIP`, where it is below
/// `text.`. A tensor that belongs to neither keeps its name, and is refused where the network is loaded.
pub struct OpenClipTensors<'a>(RenamedTensors<'a>);

impl<'a> OpenClipTensors<'a> {
    /// Renames the tensors of a source.
    pub fn new(source: &'a dyn TensorSource) -> Self {
        Self(RenamedTensors::new(source, |name| {
            let piece = |(new, cut): (String, Cut)| {
                let name = name.to_owned();
                (new, Piece { name, cut })
            };
            transformers_names(name).into_iter().map(piece).collect()
        }))
    }
}

impl TensorSource for OpenClipTensors<'_> {
    fn origin(&self) -> String {
        self.0.origin()
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.0.describe(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        self.0.read(name)
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        self.0.shard_of(name)
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        self.0.parts(name)
    }
}

/// What transformers calls the tensors that open_clip keeps under a name: none for the mask of the text model, which it
/// can compute.
fn transformers_names(name: &str) -> Vec<(String, Cut)> {
    let whole = |new: String| vec![(new, Cut::Whole)];
    if let Some(part) = name.strip_prefix("visual.") {
        return vision_names(part).unwrap_or_else(|| whole(name.to_owned()));
    }
    let part = name.strip_prefix("text.").unwrap_or(name);
    match part {
        "attn_mask" => Vec::new(),
        "logit_scale" => whole(name.to_owned()),
        "token_embedding.weight" => whole("text_model.embeddings.token_embedding.weight".to_owned()),
        "positional_embedding" => whole("text_model.embeddings.position_embedding.weight".to_owned()),
        "text_projection" => vec![("text_projection.weight".to_owned(), Cut::Turned)],
        part => match part.strip_prefix("ln_final.") {
            Some(end) => whole(format!("text_model.final_layer_norm.{end}")),
            None => layer_names("text_model", part).unwrap_or_else(|| whole(name.to_owned())),
        },
    }
}

fn vision_names(part: &str) -> Option<Vec<(String, Cut)>> {
    let whole = |new: String| Some(vec![(new, Cut::Whole)]);
    match part {
        "class_embedding" => whole("vision_model.embeddings.class_embedding".to_owned()),
        "positional_embedding" => whole("vision_model.embeddings.position_embedding.weight".to_owned()),
        "conv1.weight" => whole("vision_model.embeddings.patch_embedding.weight".to_owned()),
        "proj" => Some(vec![("visual_projection.weight".to_owned(), Cut::Turned)]),
        part => {
            for (from, to) in [("ln_pre.", "pre_layrnorm."), ("ln_post.", "post_layernorm.")] {
                if let Some(end) = part.strip_prefix(from) {
                    return whole(format!("vision_model.{to}{end}"));
                }
            }
            layer_names("vision_model", part)
        }
    }
}

/// Names within a layer, such as `transformer.resblocks.0.mlp.c_fc.weight`.
fn layer_names(model: &str, part: &str) -> Option<Vec<(String, Cut)>> {
    const PARTS: [(&str, &str); 5] = [
        ("ln_1.", "layer_norm1."),
        ("ln_2.", "layer_norm2."),
        ("attn.out_proj.", "self_attn.out_proj."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ];
    let (number, part) = part.strip_prefix("transformer.resblocks.")?.split_once('.')?;
    let layer = format!("{model}.encoder.layers.{number}");
    if let Some(end) = part.strip_prefix("attn.in_proj_") {
        let third = |(index, head): (usize, &str)| {
            let name = format!("{layer}.self_attn.{head}_proj.{end}");
            (name, Cut::Third(index))
        };
        return Some(["q", "k", "v"].into_iter().enumerate().map(third).collect());
    }
    PARTS.iter().find_map(|(from, to)| {
        let end = part.strip_prefix(from)?;
        Some(vec![(format!("{layer}.{to}{end}"), Cut::Whole)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_classes_become_those_of_transformers() {
        let one = |name: &str| {
            let found = transformers_names(name);
            assert_eq!(found.len(), 1, "{name}");
            found[0].clone()
        };
        for (name, expected, cut) in [
            ("visual.proj", "visual_projection.weight", Cut::Turned),
            ("text_projection", "text_projection.weight", Cut::Turned),
            ("visual.ln_pre.bias", "vision_model.pre_layrnorm.bias", Cut::Whole),
            (
                "text.ln_final.weight",
                "text_model.final_layer_norm.weight",
                Cut::Whole,
            ),
            (
                "visual.conv1.weight",
                "vision_model.embeddings.patch_embedding.weight",
                Cut::Whole,
            ),
            ("logit_scale", "logit_scale", Cut::Whole),
            ("visual.ls_1.gamma", "visual.ls_1.gamma", Cut::Whole),
            (
                "visual.transformer.resblocks.11.mlp.c_proj.bias",
                "vision_model.encoder.layers.11.mlp.fc2.bias",
                Cut::Whole,
            ),
        ] {
            assert_eq!(one(name), (expected.to_owned(), cut));
        }
        for before in ["", "text."] {
            let found = transformers_names(&format!("{before}transformer.resblocks.3.attn.in_proj_weight"));
            let key = "text_model.encoder.layers.3.self_attn.k_proj.weight";
            assert_eq!(found[1], (key.to_owned(), Cut::Third(1)));
            assert_eq!(found.len(), 3);
        }
        assert!(transformers_names("text.attn_mask").is_empty());
    }
}
