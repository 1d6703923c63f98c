use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ordered_json::OrderedJson;
use super::patterns::Patterns;
use super::saved::SavedLayer;
use super::settings_text::SettingsText;
use super::{AdapterError, AdapterMethod, SavedAdapter};
use crate::config_fields::{ConfigFields, PEFT, SettingError, flag, number, whole};

const RANKS: &str = "rank_pattern";
const ALPHAS: &str = "alpha_pattern";

/// Alpha of settings that name none, as in PEFT.
const DEFAULT_ALPHA: f64 = 8.0;

/// What the PEFT config of a file says about the meaning of its tensors.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Nothing where they do not say: PEFT's default is 8, but the tensors tell the rank.
    rank: Option<usize>,
    /// Nothing where there are no settings.
    alpha: Option<f64>,
    pub(super) dora: Option<bool>,
    /// Nothing where they cannot be understood: the tensors tell the ranks.
    ranks: Option<Patterns>,
    alphas: Patterns,
    /// Whether the scale is `alpha / sqrt(rank)`.
    root: bool,
}

/// Ways of beginning to train that change the weights of the model, and would do so again when PEFT loads the adapter.
const CHANGES_THE_MODEL: [&str; 4] = ["pissa", "olora", "corda", "loftq"];

/// Settings of PEFT that change what an adapter computes and are not supported, with the values that switch them off.
/// Others only matter in training, or show in the tensors.
fn switched_off() -> [(&'static str, Vec<Value>); 11] {
    let no = || vec![json!(false), Value::Null];
    let none = || vec![Value::Null, json!([]), json!({})];
    [
        ("alora_invocation_tokens", none()),
        ("arrow_config", none()),
        ("fan_in_fan_out", no()),
        ("kasa_config", none()),
        ("layer_replication", none()),
        ("lora_bias", no()),
        ("monteclora_config", none()),
        ("peft_type", vec![json!("LORA"), Value::Null]),
        ("target_parameters", none()),
        ("use_bdlora", vec![Value::Null, json!(false), json!({})]),
        ("use_qalora", no()),
    ]
}

impl Settings {
    /// Reads the settings of one component, refusing those that would change what is computed.
    pub(super) fn parse(text: Option<SettingsText<'_>>, component: &str) -> Result<Self, AdapterError> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        let all = text.parse()?;
        let Some(own) = of_component(&all, component) else {
            return Ok(Self::default());
        };
        let patterns = |key: &str| all.get(&format!("{component}.{key}")).or_else(|| all.get(key));
        let alphas = Patterns::parse(ALPHAS, patterns(ALPHAS))?;
        let ranks = Patterns::parse(RANKS, patterns(RANKS)).ok();
        Self::of_fields(own, ranks, alphas).map_err(|problem| AdapterError::Config {
            place: text.place,
            problem,
        })
    }

    fn of_fields(
        fields: Map<String, Value>,
        ranks: Option<Patterns>,
        alphas: Patterns,
    ) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(fields, PEFT);
        let switch = "`true`, `false` or `null`";
        let settings = Self {
            rank: fields.take_optional("r", "a positive whole number", |value| {
                whole(value).filter(|rank| *rank > 0)
            })?,
            alpha: fields.take("lora_alpha", "a number", Some(DEFAULT_ALPHA), |value| {
                number(value).map(Some)
            })?,
            dora: fields.take_optional("use_dora", switch, Value::as_bool)?,
            root: fields.take("use_rslora", switch, false, flag)?,
            ranks,
            alphas,
        };
        fields.take(
            "init_lora_weights",
            "a way of beginning that leaves the model as it is",
            (),
            |value| {
                let name = value.as_str().unwrap_or_default();
                let changes = CHANGES_THE_MODEL.iter().any(|start| name.starts_with(start));
                (!changes).then_some(())
            },
        )?;
        for (field, off) in switched_off() {
            fields.refuse(field, &off)?;
        }
        fields.ignore(&TRAINING);
        fields.finish()?;
        Ok(settings)
    }

    /// Checks the rank of a layer's tensors against what the settings say.
    pub(super) fn check_rank(&self, layer: &str, found: usize) -> Result<(), AdapterError> {
        let Some(ranks) = &self.ranks else {
            return Ok(());
        };
        let pattern = ranks.find(RANKS, layer).unwrap_or(Some(found as f64));
        match pattern.or(self.rank.map(|rank| rank as f64)) {
            Some(expected) if expected != found as f64 => Err(AdapterError::Rank {
                layer: layer.to_owned(),
                expected: expected as usize,
                found,
            }),
            _ => Ok(()),
        }
    }

    /// Alpha of a layer, such that its scale is `alpha / rank`.
    pub(super) fn alpha_of(&self, layer: &str, rank: usize) -> Result<Option<f64>, AdapterError> {
        let alpha = self.alphas.find(ALPHAS, layer)?.or(self.alpha);
        let factor = if self.root { (rank as f64).sqrt() } else { 1.0 };
        Ok(alpha.map(|alpha| alpha * factor))
    }
}

/// The PEFT config that describes an adapter, without a prefix.
pub(super) fn settings_map(adapter: &SavedAdapter) -> BTreeMap<&'static str, Value> {
    let rank = most_common(adapter, |layer| layer.rank);
    let alpha = most_common(adapter, |layer| layer.alpha);
    let others = |differs: &dyn Fn(&SavedLayer) -> Option<Value>| {
        let entry = |(name, layer): (&String, &SavedLayer)| Some((name.clone(), differs(layer)?));
        Value::Object(adapter.layers.iter().filter_map(entry).collect())
    };
    BTreeMap::from([
        ("peft_type", json!("LORA")),
        ("r", json!(rank)),
        ("lora_alpha", json!(alpha)),
        ("use_dora", json!(adapter.method == AdapterMethod::Dora)),
        ("use_rslora", json!(false)),
        (
            RANKS,
            others(&|layer| (Some(layer.rank) != rank).then(|| json!(layer.rank))),
        ),
        (
            ALPHAS,
            others(&|layer| (Some(layer.alpha) != alpha).then(|| json!(layer.alpha))),
        ),
        ("bias", json!("none")),
        ("target_modules", json!(adapter.layers.keys().collect::<Vec<_>>())),
    ])
}

/// The value that most layers have, the first of them if several are as common.
fn most_common<T: PartialEq + Copy>(adapter: &SavedAdapter, value: impl Fn(&SavedLayer) -> T) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for value in adapter.layers.values().map(value) {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map(|(value, _)| value)
}

/// Settings that only matter in training, say where the adapter came from, or are read elsewhere.
const TRAINING: [&str; 25] = [
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "qalora_group_size",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "trainable_token_indices",
    "velora_config",
];

/// The settings of one component: its own, and those without a component, in this order; nothing where all are those of
/// other components.
fn of_component(all: &OrderedJson, component: &str) -> Option<Map<String, Value>> {
    let Value::Object(fields) = all.to_value() else {
        return None;
    };
    let empty = fields.is_empty();
    let start = format!("{component}.");
    let own = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(&start)?.to_owned(), value.clone())));
    let own: Vec<(String, Value)> = own.collect();
    let mut chosen: Map<String, Value> = fields
        .into_iter()
        .filter(|(name, _)| !name.contains('.'))
        .collect();
    chosen.extend(own);
    (empty || !chosen.is_empty()).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, component: &str) -> Result<Settings, AdapterError> {
        Settings::parse(SettingsText::of(Some(text), &BTreeMap::new()), component)
    }

    #[test]
    fn a_component_prefix_is_optional() {
        for text in [
            r#"{"unet.r": 4, "unet.lora_alpha": 8, "unet.use_dora": true, "text_encoder.r": 9}"#,
            r#"{"r": 4, "lora_alpha": 8.0, "use_dora": true, "use_rslora": null}"#,
        ] {
            let settings = parse(text, "unet").unwrap();
            assert_eq!(
                (settings.rank, settings.alpha, settings.dora),
                (Some(4), Some(8.0), Some(true))
            );
        }
        let none = Settings::parse(None, "unet").unwrap();
        assert_eq!((none.rank, none.alpha, none.dora), (None, None, None));
    }

    /// PEFT's default, which has nothing to do with the rank.
    #[test]
    fn settings_without_an_alpha_mean_eight() {
        for (text, alpha) in [
            (r#"{"r": 4}"#, Some(8.0)),
            ("{}", Some(8.0)),
            (r#"{"unet.r": 4}"#, Some(8.0)),
            (r#"{"lora_alpha": 3, "unet.r": 4}"#, Some(3.0)),
            // Nothing is said of this component.
            (r#"{"text_encoder.r": 4, "text_encoder.lora_alpha": 2}"#, None),
        ] {
            let settings = parse(text, "unet").unwrap();
            assert_eq!(settings.alpha_of("x", 16).unwrap(), alpha, "{text}");
        }
        let root = parse(r#"{"use_rslora": true}"#, "unet").unwrap();
        assert_eq!(root.alpha_of("x", 16).unwrap(), Some(32.0));
        let pattern = parse(r#"{"alpha_pattern": {"to_q": 3}}"#, "unet").unwrap();
        assert_eq!(
            ["to_q", "to_k"].map(|layer| pattern.alpha_of(layer, 2).unwrap()),
            [Some(3.0), Some(8.0)]
        );
    }

    #[test]
    fn patterns_are_those_of_peft() {
        let text = r#"{"r": 4, "lora_alpha": 8, "rank_pattern": {"attn1.to_q": 2, "^ff.net.2": 6},
            "alpha_pattern": {"to_q": 3, "mid\\.attn1\\.to_q": 3.5, "up.*to_(k|v)": 5, "to_out\\.0$": 6, "^conv_in": 7,
            "down(?!.*attn2).*to_k": 9, "(?P<part>to_v)": 10, "attn2-to_x": 11}}"#;
        let settings = parse(text, "unet").unwrap();
        assert!(settings.check_rank("mid.attn1.to_q", 2).is_ok());
        assert!(settings.check_rank("mid.attn2.to_q", 4).is_ok());
        assert!(settings.check_rank("ff.net.2", 6).is_ok());
        let message = settings.check_rank("mid.ff.net.2", 6).unwrap_err().to_string();
        assert!(message.contains("rank 6, expected 4"), "{message}");
        for (layer, alpha) in [
            // The first in the order of the file, whatever comes later.
            ("mid.attn1.to_q", 3.0),
            ("mid.attn1.not_to_q", 8.0),
            ("up.1.to_k", 5.0),
            ("up.1.to_kv", 8.0),
            ("a.up.1.to_v", 5.0),
            ("mid.to_out.0", 6.0),
            ("conv_in", 7.0),
            ("mid.conv_in", 8.0),
            ("down.attn1.to_k", 9.0),
            ("down.attn2.to_k", 8.0),
            ("mid.to_v", 10.0),
        ] {
            assert_eq!(settings.alpha_of(layer, 2).unwrap(), Some(alpha), "{layer}");
        }
        let root = parse(r#"{"lora_alpha": 8, "use_rslora": true}"#, "unet").unwrap();
        assert_eq!(root.alpha_of("x", 16).unwrap(), Some(32.0));
        let text = r#"{"lora_alpha": 8, "alpha_pattern": {"^encoder.layers.0.mlp.fc1": 3}}"#;
        let text = parse(text, "text_encoder").unwrap();
        assert_eq!(
            text.alpha_of("text_model.encoder.layers.0.mlp.fc1", 2).unwrap(),
            Some(3.0)
        );
    }

    #[test]
    fn patterns_of_ranks_are_not_needed() {
        for ranks in [r#"{"to_(q": 3}"#, "7", r#"{"to_q": "x"}"#] {
            let text = format!(r#"{{"r": 4, "rank_pattern": {ranks}}}"#);
            let settings = parse(&text, "unet").unwrap();
            assert!(settings.check_rank("to_q", 9).is_ok());
        }
    }

    #[test]
    fn settings_that_change_the_meaning_are_refused() {
        for (text, words) in [
            (r#"{"lora_bias": true}"#, "`lora_bias` is `true`"),
            (r#"{"unet.fan_in_fan_out": true}"#, "`fan_in_fan_out` is `true`"),
            (r#"{"peft_type": "LOHA"}"#, "`peft_type` is `\"LOHA\"`"),
            (
                r#"{"layer_replication": [[0, 4], [2, 5]]}"#,
                "`layer_replication` is `[[0,4],[2,5]]`",
            ),
            (
                r#"{"init_lora_weights": "pissa_niter_4"}"#,
                "`init_lora_weights` is `\"pissa_niter_4\"`",
            ),
            (r#"{"unet.alpha_pattern": {"to_(q": 2}}"#, "to_(q"),
            (r#"{"unet.alpha_pattern": {"to_q": "two"}}"#, "two"),
            (r#"{"unet.alpha_pattern": [1]}"#, "[1]"),
            (r#"{"r": 0}"#, "`r` is `0`"),
            (r#"{"r": 1.5}"#, "`r` is `1.5`"),
            (
                r#"{"new_rule": 1, "peft_version": "0.30.0"}"#,
                "`new_rule` is unknown",
            ),
            ("[", "`adapter_config.json` cannot be read"),
            (
                r#"{"lora_alpha": null}"#,
                "`lora_alpha` is `null`, but only a number is supported (in `adapter_config.json`)",
            ),
            (
                r#"{"unet.lora_alpha": null}"#,
                "`lora_alpha` is `null`, but only a number",
            ),
        ] {
            let message = parse(text, "unet").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    /// Everything that PEFT 0.21 writes.
    #[test]
    fn settings_of_training_are_passed_over() {
        let text = r#"{"alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
            "base_model_name_or_path": "x", "bias": "none", "corda_config": null, "ensure_weight_tying": false,
            "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true,
            "init_lora_weights": "gaussian", "layer_replication": null, "layers_pattern": null,
            "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 4, "lora_bias": false, "lora_dropout": 0.1,
            "lora_ga_config": null, "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null,
            "peft_type": "LORA", "peft_version": "0.21.2", "qalora_group_size": 16, "r": 4, "rank_pattern": {},
            "revision": null, "target_modules": ["to_q"], "target_parameters": null, "task_type": null,
            "trainable_token_indices": null, "use_bdlora": null, "use_dora": false, "use_qalora": false,
            "use_rslora": false, "kasa_config": null, "velora_config": null, "monteclora_config": null}"#;
        assert_eq!(parse(text, "unet").unwrap().alpha, Some(4.0));
        assert!(parse(&text.replace("0.21.2", "0.30.0"), "unet").is_ok());
    }
}
