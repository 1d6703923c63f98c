//! What keys are derived from: the one place that makes them.

use std::collections::BTreeMap;

use mitune_store::{CanonicalError, ContentDigest, FamilyKey, ItemKey, LeaseKey, StageKey, Value};
use serde::Serialize;

use super::dtype::Dtype;
use super::stage::Stage;
use super::stage_ports::MODEL_PORT;

/// Everything that determines the result of a stage, and the keys that follow from it.
///
/// The stage key, which also names lease and checkpoints, is derived from all of it. The key of a family, which also
/// names items and the leases of portions, is derived from the same without what only says which items are wanted. What
/// is added here is thus in both.
#[derive(Clone, Debug)]
pub struct KeyIngredients {
    kind: &'static str,
    revision: u32,
    config: Value,
    inputs: BTreeMap<&'static str, Value>,
    external: BTreeMap<String, ContentDigest>,
    dtype: Option<Dtype>,
    rng: Option<&'static str>,
    salt: Option<String>,
    preimage: Value,
    key: StageKey,
}

/// What tells the family of a stage's items from the whole stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct ItemFamily<'a> {
    /// Settings that only say which items are wanted.
    pub choosing_settings: &'a [&'a str],
    /// Ports whose content is in the keys of the items.
    pub item_ports: &'a [&'a str],
    /// Digest of the model that is loaded. Wherever it comes from, equal models make one family. By default none: the
    /// stage runs no model.
    pub model: Option<ContentDigest>,
    /// Items that are computed together, where that is not a setting. By default none.
    pub batch_size: Option<u32>,
}

impl KeyIngredients {
    /// Gathers the ingredients of a stage: its effective settings, the content on its ports, digests of what it reads
    /// outside the store, and the pipeline's salt.
    ///
    /// # Errors
    /// [`CanonicalError`] if they have no canonical encoding.
    pub fn gather(
        stage: &dyn Stage,
        config: Value,
        inputs: BTreeMap<&'static str, Value>,
        external: BTreeMap<String, ContentDigest>,
        salt: Option<&str>,
    ) -> Result<Self, CanonicalError> {
        let (kind, revision, dtype, rng) = (stage.kind(), stage.revision(), stage.dtype(), stage.rng());
        let outside = external
            .iter()
            .map(|(name, digest)| (name.clone(), Value::Text(digest.to_string())));
        let preimage = Value::map([
            ("kind", Value::from(kind)),
            ("revision", Value::from(revision)),
            ("config", config.clone()),
            ("inputs", Value::map(inputs.clone())),
            ("external", Value::map(outside)),
            ("numerics", Value::map([("dtype", text(dtype.map(Dtype::name)))])),
            ("rng", text(rng)),
            ("salt", text(salt)),
        ]);
        Ok(Self {
            key: StageKey::derive(&preimage)?,
            kind,
            revision,
            config,
            inputs,
            external,
            dtype,
            rng,
            salt: salt.map(str::to_owned),
            preimage,
        })
    }

    /// Returns the key of the stage.
    pub fn key(&self) -> &StageKey {
        &self.key
    }

    /// Returns the value that the key of the stage is derived from.
    pub fn preimage(&self) -> &Value {
        &self.preimage
    }

    /// Returns the digests of what the stage reads outside the store.
    pub fn external(&self) -> &BTreeMap<String, ContentDigest> {
        &self.external
    }

    /// Derives the key of a family of items.
    ///
    /// # Errors
    /// [`CanonicalError`] if it has no canonical encoding.
    pub fn family_key(&self, family: &ItemFamily<'_>) -> Result<FamilyKey, CanonicalError> {
        let mut config = self.config.clone();
        if let Value::Map(fields) = &mut config {
            fields.retain(|name, _| !family.choosing_settings.contains(&name.as_str()));
        }
        let inputs = self.inputs.iter().filter(|(port, _)| {
            !family.item_ports.contains(port) && (family.model.is_none() || **port != MODEL_PORT)
        });
        let external = self.external.iter();
        let mut common: BTreeMap<String, Value> = inputs
            .map(|(port, content)| ((*port).to_owned(), content.clone()))
            .chain(external.map(|(name, digest)| (name.clone(), Value::Text(digest.to_string()))))
            .collect();
        let mut set = |name: &str, value: Value| common.insert(name.to_owned(), value);
        set("kind", Value::from(self.kind));
        set("revision", Value::from(self.revision));
        set("config", config);
        set("dtype", text(self.dtype.map(Dtype::name)));
        set("rng", text(self.rng));
        if let Some(model) = family.model {
            set("model", Value::Text(model.to_string()));
        }
        if let Some(batch_size) = family.batch_size {
            set("batch_size", Value::from(batch_size));
        }
        // Left out where there is none, so that items of earlier releases keep their keys.
        if let Some(salt) = &self.salt {
            set("salt", Value::from(salt.as_str()));
        }
        FamilyKey::derive(&Value::map(common))
    }

    /// Derives the key of a family of a stage that has several: with the settings of one part of its work alone, and those
    /// files outside the store alone whose names `reads` knows. It is the family of a stage that does this part alone.
    ///
    /// # Errors
    /// [`CanonicalError`] if it has no canonical encoding.
    pub fn part_family_key(
        &self,
        config: Value,
        reads: &dyn Fn(&str) -> bool,
        family: &ItemFamily<'_>,
    ) -> Result<FamilyKey, CanonicalError> {
        let external = self.external.iter().filter(|(name, _)| reads(name));
        let part = Self {
            config,
            external: external.map(|(name, digest)| (name.clone(), *digest)).collect(),
            ..self.clone()
        };
        part.family_key(family)
    }

    /// Derives the key of an item from what tells it from the others of its family, whose key holds all the rest.
    ///
    /// # Errors
    /// [`CanonicalError`] if it has no canonical encoding.
    pub fn item_key(family: &FamilyKey, item: &impl Serialize) -> Result<ItemKey, CanonicalError> {
        ItemKey::derive(family, &Value::from_serialize(item)?)
    }

    /// Names the lease of some items of a family.
    pub fn portion_key<'k>(family: &FamilyKey, items: impl IntoIterator<Item = &'k ItemKey>) -> LeaseKey {
        LeaseKey::of_items(family, items)
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mitune_store::Digest;
    use serde_json::json;

    use super::*;
    use crate::contract::{InputPort, OutputPort, StageContext, StageError, StageOutput};

    /// A stage of which only the ingredients of keys exist.
    #[derive(Clone)]
    struct Named {
        kind: &'static str,
        revision: u32,
        dtype: Option<Dtype>,
        rng: Option<&'static str>,
        config: serde_json::Value,
        inputs: BTreeMap<&'static str, Value>,
        external: BTreeMap<String, ContentDigest>,
        salt: Option<&'static str>,
    }

    impl Stage for Named {
        fn kind(&self) -> &'static str {
            self.kind
        }

        fn revision(&self) -> u32 {
            self.revision
        }

        fn config(&self) -> Result<Value, StageError> {
            Ok(Value::from_serialize(&self.config)?)
        }

        fn inputs(&self) -> Vec<InputPort> {
            Vec::new()
        }

        fn outputs(&self) -> &'static [OutputPort] {
            &[]
        }

        fn dtype(&self) -> Option<Dtype> {
            self.dtype
        }

        fn rng(&self) -> Option<&'static str> {
            self.rng
        }

        fn run(&self, _: &StageContext<'_>) -> Result<StageOutput, StageError> {
            Err(StageError::Interrupted)
        }
    }

    impl Named {
        fn ingredients(&self) -> KeyIngredients {
            let config = self.config().unwrap();
            KeyIngredients::gather(
                self,
                config,
                self.inputs.clone(),
                self.external.clone(),
                self.salt,
            )
            .unwrap()
        }
    }

    fn digest(byte: u8) -> ContentDigest {
        ContentDigest::new(Digest::new([byte; 32]))
    }

    fn named() -> Named {
        Named {
            kind: "generate",
            revision: 1,
            dtype: Some(Dtype::F32),
            rng: Some("counter/1"),
            config: json!({"seed": 3, "candidates_per_prompt": 4}),
            inputs: BTreeMap::from([
                ("prompts", Value::from("p")),
                ("adapter", Value::from("a")),
                (MODEL_PORT, Value::Null),
            ]),
            external: BTreeMap::from([("model".to_owned(), digest(7))]),
            salt: None,
        }
    }

    fn family() -> ItemFamily<'static> {
        ItemFamily {
            choosing_settings: &["candidates_per_prompt"],
            item_ports: &["prompts"],
            model: Some(digest(7)),
            batch_size: Some(8),
        }
    }

    #[test]
    fn families_without_a_salt_are_those_of_earlier_releases() {
        let mut common = Value::map([
            ("kind", Value::from("generate")),
            ("revision", Value::from(1_u32)),
            ("config", Value::map([("seed", Value::from(3_u32))])),
            ("batch_size", Value::from(8_u32)),
            ("model", Value::Text(digest(7).to_string())),
            ("adapter", Value::from("a")),
            ("dtype", Value::from("f32")),
            ("rng", Value::from("counter/1")),
        ]);
        let key = |named: &Named| named.ingredients().family_key(&family()).unwrap();
        assert_eq!(key(&named()), FamilyKey::derive(&common).unwrap());
        let mut bare = named();
        bare.inputs.insert("adapter", Value::Null);
        let Value::Map(fields) = &mut common else {
            unreachable!()
        };
        fields.insert("adapter".to_owned(), Value::Null);
        assert_eq!(key(&bare), FamilyKey::derive(&common).unwrap());
        // A model of another stage is known by its digest.
        let mut made = bare;
        made.external.clear();
        made.inputs.insert(MODEL_PORT, Value::from("m"));
        assert_eq!(key(&made), FamilyKey::derive(&common).unwrap());
    }

    #[test]
    fn items_and_portions_are_named_as_in_earlier_releases() {
        let family = named().ingredients().family_key(&family()).unwrap();
        let candidate = Value::List(vec![Value::from("a red car"), Value::from(3_u32)]);
        let candidate = ItemKey::derive(&family, &candidate).unwrap();
        let score = ItemKey::derive(&family, &Value::Text(digest(1).to_string())).unwrap();
        let key = KeyIngredients::item_key(&family, &("a red car", 3_u32)).unwrap();
        assert_eq!(key, candidate);
        let key = KeyIngredients::item_key(&family, &digest(1).to_string()).unwrap();
        assert_eq!(key, score);
        let items = [candidate, score];
        assert_eq!(
            KeyIngredients::portion_key(&family, &items),
            LeaseKey::of_items(&family, &items)
        );
    }

    #[test]
    fn every_ingredient_is_in_both_keys() {
        type Change = fn(&mut Named);
        let changes: [(&str, Change); 9] = [
            ("kind", |named| named.kind = "score"),
            ("revision", |named| named.revision = 2),
            ("dtype", |named| named.dtype = Some(Dtype::F16)),
            ("rng", |named| named.rng = None),
            ("setting", |named| named.config["seed"] = 4.into()),
            ("adapter", |named| {
                named.inputs.insert("adapter", Value::Null);
            }),
            ("file", |named| {
                named.external.insert("source 1".to_owned(), digest(8));
            }),
            ("salt", |named| named.salt = Some("again")),
            ("empty salt", |named| named.salt = Some("")),
        ];
        let both = |named: &Named| {
            let ingredients = named.ingredients();
            (*ingredients.key(), ingredients.family_key(&family()).unwrap())
        };
        let mut seen = vec![both(&named())];
        for (name, change) in changes {
            let mut changed = named();
            change(&mut changed);
            let keys = both(&changed);
            for other in &seen {
                assert!(keys.0 != other.0 && keys.1 != other.1, "{name}");
            }
            seen.push(keys);
        }
        for family in [
            ItemFamily {
                model: Some(digest(9)),
                ..family()
            },
            ItemFamily {
                batch_size: None,
                ..family()
            },
        ] {
            let key = named().ingredients().family_key(&family).unwrap();
            assert!(seen.iter().all(|seen| seen.1 != key), "{family:?}");
        }
    }

    #[test]
    fn a_part_of_the_work_has_the_family_of_a_stage_that_does_it_alone() {
        let alone = named();
        let mut both = named();
        both.config = json!({"parts": [alone.config.clone(), "another"]});
        both.external.insert("another".to_owned(), digest(8));
        let both = both.ingredients();
        let part = |reads: &dyn Fn(&str) -> bool| {
            let config = alone.config().unwrap();
            both.part_family_key(config, reads, &family()).unwrap()
        };
        let expected = alone.ingredients().family_key(&family()).unwrap();
        assert_eq!(part(&|name| name != "another"), expected);
        assert_ne!(part(&|_| true), expected);
        assert_ne!(both.family_key(&family()).unwrap(), expected);
    }

    #[test]
    fn keys_are_made_nowhere_else() {
        fn check(folder: &Path) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    check(&path);
                } else if !path.ends_with("contract/key_ingredients.rs") {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    let makes = ["Key::derive(", "LeaseKey::of_items("];
                    let makes = makes.iter().any(|call| code.contains(call));
                    assert!(!makes, "{} makes a key of its own", path.display());
                }
            }
        }
        let stages = Path::new(env!("CARGO_MANIFEST_DIR"));
        check(&stages.join("src"));
        check(&stages.join("../src/engine"));
    }

    #[test]
    fn what_chooses_items_is_in_the_key_of_the_stage_alone() {
        let changes: [fn(&mut Named); 2] = [
            |named| named.config["candidates_per_prompt"] = 5.into(),
            |named| {
                named.inputs.insert("prompts", Value::from("q"));
            },
        ];
        let base = named().ingredients();
        for change in changes {
            let mut changed = named();
            change(&mut changed);
            let changed = changed.ingredients();
            assert_ne!(changed.key(), base.key());
            let key = |ingredients: &KeyIngredients| ingredients.family_key(&family()).unwrap();
            assert_eq!(key(&changed), key(&base));
        }
    }
}
