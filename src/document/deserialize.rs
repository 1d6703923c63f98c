//! Typing a tree through serde, with the position and path of every mistake.

use serde::de::{self, Deserializer, Visitor};

use super::access::{Choice, Entries, Items};
use super::error::{DocumentError, Problem};
use super::node::{Node, Tree};

/// Turns a tree into a typed value.
///
/// A text is never taken for a number nor a number for a text. Enums are written as a name, or as a map of one name
/// to its settings.
///
/// # Errors
/// [`DocumentError`] at the first value that does not fit.
pub fn deserialize<'de, T: de::Deserialize<'de>>(node: &'de Node) -> Result<T, DocumentError> {
    T::deserialize(node)
}

impl Node {
    /// Says that something else was expected here.
    pub(crate) fn wrong(&self, expected: &str) -> DocumentError {
        DocumentError::new(
            self.mark,
            Problem::Type {
                expected: expected.to_owned(),
                found: self.tree.describe(),
            },
        )
    }

    fn integer(&self, minimum: i128, maximum: i128) -> Result<i128, DocumentError> {
        let out_of_range = || Err(self.wrong(&format!("a whole number from {minimum} to {maximum}")));
        match &self.tree {
            Tree::Integer(number) if (minimum..=maximum).contains(&number.value) => Ok(number.value),
            Tree::Integer(_) => out_of_range(),
            Tree::Float(number) if number.is_written_whole() => out_of_range(),
            _ => Err(self.wrong("a whole number")),
        }
    }

    fn text(&self) -> Result<&str, DocumentError> {
        match &self.tree {
            Tree::Text(text) => Ok(text),
            Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) => Err(self.wrong("a text (put it in quotes)")),
            _ => Err(self.wrong("a text")),
        }
    }

    fn here(&self) -> impl Fn(DocumentError) -> DocumentError {
        let mark = self.mark;
        move |mut error| {
            error.mark = error.mark.or(mark);
            error
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
            let value = self.integer(<$type>::MIN as i128, <$type>::MAX as i128)?;
            // The range was checked just above.
            visitor.$visit(value as $type).map_err(self.here())
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = DocumentError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        match &self.tree {
            Tree::Null => visitor.visit_unit().map_err(self.here()),
            Tree::Bool(value) => visitor.visit_bool(*value).map_err(self.here()),
            Tree::Integer(number) => match (i64::try_from(number.value), u64::try_from(number.value)) {
                (Ok(value), _) => visitor.visit_i64(value),
                (_, Ok(value)) => visitor.visit_u64(value),
                _ => visitor.visit_i128(number.value),
            }
            .map_err(self.here()),
            Tree::Float(number) => visitor.visit_f64(number.value).map_err(self.here()),
            Tree::Text(value) => visitor.visit_borrowed_str(value).map_err(self.here()),
            Tree::List(_) => self.deserialize_seq(visitor),
            Tree::Map(_) => self.deserialize_map(visitor),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        match self.tree {
            Tree::Bool(value) => visitor.visit_bool(value).map_err(self.here()),
            _ => Err(self.wrong("`true` or `false`")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        let value = match &self.tree {
            Tree::Float(number) => number.value,
            Tree::Integer(number) => number.value as f64,
            _ => return Err(self.wrong("a number")),
        };
        visitor.visit_f64(value).map_err(self.here())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        visitor.visit_borrowed_str(self.text()?).map_err(self.here())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        match self.tree {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        match self.tree {
            Tree::Null => visitor.visit_unit(),
            _ => Err(self.wrong("nothing")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DocumentError> {
        visitor.visit_newtype_struct(self).map_err(self.here())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        match &self.tree {
            Tree::List(items) => visitor.visit_seq(Items { items, index: 0 }).map_err(self.here()),
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DocumentError> {
        match &self.tree {
            Tree::List(items) if items.len() == length => self.deserialize_seq(visitor),
            _ => Err(self.wrong(&format!("a list of {length}"))),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        match &self.tree {
            Tree::Map(entries) => visitor
                .visit_map(Entries { entries, index: 0 })
                .map_err(self.here()),
            _ => Err(self.wrong("a map of settings")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DocumentError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DocumentError> {
        let choice = match &self.tree {
            Tree::Text(name) => Choice {
                name,
                mark: self.mark,
                settings: None,
            },
            Tree::Map(entries) if entries.len() == 1 => Choice {
                name: &entries[0].key,
                mark: entries[0].mark,
                settings: Some(&entries[0].value),
            },
            _ => {
                let names: Vec<String> = variants.iter().map(|name| format!("`{name}`")).collect();
                return Err(self.wrong(&format!("one of {}", names.join(", "))));
            }
        };
        visitor.visit_enum(choice).map_err(self.here())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DocumentError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char bytes byte_buf unit_struct tuple_struct identifier i128 u128
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::load;
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        count: u8,
        #[serde(default)]
        rate: f64,
        #[serde(default)]
        source: Option<Source>,
        #[serde(default)]
        names: Vec<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Source {
        Nothing,
        Shapes { split: String },
        Wrapped(u8),
    }

    fn parse(text: &str) -> Result<Settings, DocumentError> {
        deserialize(&load(text).unwrap())
    }

    #[test]
    fn every_form_of_value_is_read() {
        let settings =
            parse("count: 3\nrate: 2\nsource: {shapes: {split: train}}\nnames: [a, '1']\n").unwrap();
        assert_eq!(
            settings,
            Settings {
                count: 3,
                rate: 2.0,
                source: Some(Source::Shapes {
                    split: "train".into()
                }),
                names: vec!["a".into(), "1".into()],
            }
        );
        assert_eq!(
            parse("count: 0\nsource: nothing\n").unwrap().source,
            Some(Source::Nothing)
        );
        assert_eq!(
            parse("count: 0\nsource: {wrapped: 4}\n").unwrap().source,
            Some(Source::Wrapped(4))
        );
        assert_eq!(parse("count: 0\nsource: ~\n").unwrap().source, None);
    }

    #[test]
    fn each_mistake_names_its_place_and_cause() {
        for (text, position, message, hint) in [
            (
                "count: x\n",
                (1, 8),
                "Expected a whole number, found text `x` at `count`",
                None,
            ),
            (
                "count: 300\n",
                (1, 8),
                "Expected a whole number from 0 to 255, found number `300` at `count`",
                None,
            ),
            ("rate: 1\n", (1, 1), "Missing key `count`", None),
            (
                "count: 1\nrat: 1\n",
                (2, 1),
                "Unknown key `rat`",
                Some("Did you mean `rate`?"),
            ),
            (
                "count: 1\nnames: [a, 1]\n",
                (2, 12),
                "Expected a text (put it in quotes), found number `1` at `names.1`",
                None,
            ),
            (
                "count: 1\nnames: a\n",
                (2, 8),
                "Expected a list, found text `a` at `names`",
                None,
            ),
            (
                "count: 1\nsource: shape\n",
                (2, 9),
                "Unknown choice `shape` at `source`",
                Some("Did you mean `shapes`?"),
            ),
            (
                "count: 1\nsource: shapes\n",
                (2, 9),
                "`shapes` needs settings: write `shapes: {...}` at `source`",
                None,
            ),
            (
                "count: 1\nsource: {nothing: 1}\n",
                (2, 19),
                "`nothing` takes no settings at `source.nothing`",
                None,
            ),
            (
                "count: 1\nsource: {shapes: {splt: a}}\n",
                (2, 19),
                "Unknown key `splt` at `source.shapes`",
                Some("Did you mean `split`?"),
            ),
            (
                "count: 1\nsource: []\n",
                (2, 9),
                "Expected one of `nothing`, `shapes`, `wrapped`, found a list of 0 at `source`",
                None,
            ),
            (
                "count: 1\nrate: true\n",
                (2, 7),
                "Expected a number, found `true` at `rate`",
                None,
            ),
            (
                "[1]\n",
                (1, 1),
                "Expected a map of settings, found a list of 1",
                None,
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
            assert_eq!(
                error.mark.map(|mark| (mark.line, mark.column)),
                Some(position),
                "{text:?}"
            );
            assert_eq!(error.hint().as_deref(), hint, "{text:?}");
        }
    }
}
