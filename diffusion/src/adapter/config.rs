use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shape and start of an adapter. The defaults are the paper's (table 8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterConfig {
    /// Kind of adapter. By default, this is DoRA.
    pub method: AdapterMethod,
    /// Inner dimension of the low-rank product. By default, this is 32.
    pub rank: usize,
    /// The product is scaled by `alpha / rank`. By default, this is 32.
    pub alpha: f64,
    /// Layers that get an adapter. By default, attention and feed-forward layers.
    pub targets: AdapterTargets,
    /// Seed of the initial values. By default, this is 0.
    pub seed: u64,
}

impl Default for AdapterConfig {
    fn default() -> Self {
        Self {
            method: AdapterMethod::Dora,
            rank: 32,
            alpha: 32.0,
            targets: AdapterTargets::default(),
            seed: 0,
        }
    }
}

/// Kind of low-rank adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdapterMethod {
    /// Adds a low-rank product to the weight (Hu et al. 2021).
    Lora,
    /// Also learns the length of every row of the weight (Liu et al. 2024).
    Dora,
}

/// Layers that get an adapter: groups inside transformer blocks, and others by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterTargets {
    /// `to_q`, `to_k`, `to_v` and `to_out.0` of every attention. By default, this is true.
    pub attention: bool,
    /// Both layers of every feed-forward. By default, this is true; the reference code has false.
    pub feed_forward: bool,
    /// Further layers by the last parts of their names, as in PEFT's `target_modules`: `proj_in` or `resnets.0.conv1`,
    /// for instance. Linear layers and convolutions. By default, none.
    // Left out where empty, so that pipelines from before this setting keep their keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
}

impl Default for AdapterTargets {
    fn default() -> Self {
        Self {
            attention: true,
            feed_forward: true,
            modules: Vec::new(),
        }
    }
}

/// Layers of the attention of text encoders, as PEFT calls them.
const TEXT_ATTENTION: [&str; 4] = ["q_proj", "k_proj", "v_proj", "out_proj"];

const ATTENTION: [&str; 4] = ["to_q", "to_k", "to_v", "to_out.0"];
const FEED_FORWARD: [&str; 2] = ["ff.net.0.proj", "ff.net.2"];

impl AdapterTargets {
    /// The attention layers of a text encoder, those that GORS adapts beside the denoiser's (arXiv 2307.06350).
    pub fn of_text_encoder() -> Self {
        Self {
            attention: false,
            feed_forward: false,
            modules: TEXT_ATTENTION.map(str::to_owned).into(),
        }
    }

    /// Whether the layer with this diffusers name is selected.
    pub fn contains(&self, layer: &str) -> bool {
        self.layer_names().any(|name| ends_with_part(layer, name))
    }

    /// Last parts of the names of the selected layers, which PEFT calls `target_modules`.
    pub fn layer_names(&self) -> impl Iterator<Item = &str> {
        let attention = ATTENTION.into_iter().filter(|_| self.attention);
        let feed_forward = FEED_FORWARD.into_iter().filter(|_| self.feed_forward);
        let modules = self.modules.iter().map(String::as_str);
        attention.chain(feed_forward).chain(modules)
    }
}

/// Whether `name` is `end`, or ends with it after a dot.
fn ends_with_part(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_select_whole_name_parts() {
        let block = "up_blocks.1.attentions.0.transformer_blocks.0";
        let attention = AdapterTargets {
            attention: true,
            feed_forward: false,
            modules: Vec::new(),
        };
        assert!(attention.contains(&format!("{block}.attn2.to_out.0")));
        assert!(attention.contains("to_q"));
        assert!(!attention.contains(&format!("{block}.attn2.add_to_q_proj")));
        assert!(!attention.contains(&format!("{block}.attn2.not_to_q")));
        assert!(!attention.contains(&format!("{block}.ff.net.2")));
        let feed_forward = AdapterTargets {
            attention: false,
            feed_forward: true,
            modules: vec!["conv1".to_owned(), "1.proj_out".to_owned()],
        };
        assert!(feed_forward.contains(&format!("{block}.ff.net.0.proj")));
        assert!(feed_forward.contains(&format!("{block}.ff.net.2")));
        assert!(!feed_forward.contains(&format!("{block}.attn1.to_k")));
        assert!(!feed_forward.contains("time_embedding.linear_1"));
        assert!(feed_forward.contains("mid_block.resnets.0.conv1"));
        assert!(feed_forward.contains("up_blocks.1.attentions.1.proj_out"));
        assert!(!feed_forward.contains("up_blocks.1.attentions.0.proj_out"));
    }

    #[test]
    fn an_empty_config_means_the_paper() {
        let config: AdapterConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, AdapterConfig::default());
        assert!(serde_json::from_str::<AdapterConfig>(r#"{"ranks": 4}"#).is_err());
    }
}
