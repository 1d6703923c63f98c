//! The parts of a tree as serde asks for them.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::error::DocumentError;
use super::node::{Entry, Mark, Node, Tree};

/// The values of a list, one after the other.
pub(super) struct Items<'de> {
    pub(super) items: &'de [Node],
    pub(super) index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DocumentError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DocumentError> {
        let Some(item) = self.items.get(self.index) else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(item)
            .map(Some)
            .map_err(|error| error.inside(index.to_string(), item.mark))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.index)
    }
}

/// The keys and values of a map, one after the other.
pub(super) struct Entries<'de> {
    pub(super) entries: &'de [Entry],
    pub(super) index: usize,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DocumentError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DocumentError> {
        let Some(entry) = self.entries.get(self.index) else {
            return Ok(None);
        };
        let key: StrDeserializer<'de, DocumentError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mut error| {
            error.mark = error.mark.or(entry.mark);
            error
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DocumentError> {
        let entry = &self.entries[self.index];
        self.index += 1;
        seed.deserialize(&entry.value)
            .map_err(|error| error.inside(&entry.key, entry.value.mark.or(entry.mark)))
    }
}

/// A variant of an enum: a name, with settings if it was written as a map.
pub(super) struct Choice<'de> {
    pub(super) name: &'de str,
    pub(super) mark: Option<Mark>,
    pub(super) settings: Option<&'de Node>,
}

impl Choice<'_> {
    fn missing_settings(&self) -> DocumentError {
        DocumentError::rule(
            self.mark,
            format!("`{}` needs settings: write `{}: {{...}}`", self.name, self.name),
        )
    }
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = DocumentError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DocumentError> {
        let name: StrDeserializer<'de, DocumentError> = self.name.into_deserializer();
        let value = seed.deserialize(name).map_err(|mut error| {
            error.mark = error.mark.or(self.mark);
            error
        })?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = DocumentError;

    fn unit_variant(self) -> Result<(), DocumentError> {
        match self.settings {
            None | Some(Node { tree: Tree::Null, .. }) => Ok(()),
            Some(settings) => Err(DocumentError::rule(
                settings.mark,
                format!("`{}` takes no settings", self.name),
            )
            .inside(self.name, None)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DocumentError> {
        let settings = self.settings.ok_or_else(|| self.missing_settings())?;
        seed.deserialize(settings)
            .map_err(|error| error.inside(self.name, settings.mark))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, DocumentError> {
        let settings = self.settings.ok_or_else(|| self.missing_settings())?;
        settings
            .deserialize_tuple(length, visitor)
            .map_err(|error| error.inside(self.name, settings.mark))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DocumentError> {
        let settings = self.settings.ok_or_else(|| self.missing_settings())?;
        settings
            .deserialize_map(visitor)
            .map_err(|error| error.inside(self.name, settings.mark))
    }
}
