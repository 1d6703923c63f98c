//! HTML under construction, in which text cannot become markup.
//!
//! Only literals of this program are taken as HTML; whatever else is written is escaped.

use std::fmt::{Display, Write};

/// HTML under construction.
#[derive(Default)]
pub(super) struct Markup {
    html: String,
}

/// Name and value of an attribute.
pub(super) type Attribute<'a> = (&'static str, &'a dyn Display);

impl Markup {
    /// Adds HTML of this program.
    pub(super) fn raw(&mut self, html: &'static str) -> &mut Self {
        self.html.push_str(html);
        self
    }

    /// Adds text.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(Escaped(&mut self.html), "{text}");
        self
    }

    /// Opens an element.
    pub(super) fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.html.push('<');
        self.html.push_str(tag);
        for (name, value) in attributes {
            self.html.push(' ');
            self.html.push_str(name);
            self.html.push_str("=\"");
            self.text(value);
            self.html.push('"');
        }
        self.html.push('>');
        self
    }

    /// Closes an element.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.html.push_str("</");
        self.html.push_str(tag);
        self.html.push('>');
        self
    }

    /// Adds an element with content.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(tag, attributes);
        content(self);
        self.close(tag)
    }

    /// Adds an element that holds text.
    pub(super) fn leaf(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        text: impl Display,
    ) -> &mut Self {
        self.element(tag, attributes, |inner| {
            inner.text(text);
        })
    }

    /// Adds what was built elsewhere.
    pub(super) fn append(&mut self, part: Self) -> &mut Self {
        self.html.push_str(&part.html);
        self
    }

    /// Says whether nothing was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.html.is_empty()
    }

    /// Returns the HTML.
    pub(super) fn into_string(self) -> String {
        self.html
    }
}

/// Escapes what is written, for element content and for attributes in double quotes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                // Control characters and noncharacters have no place in HTML.
                control if control.is_control() => self.0.push('\u{fffd}'),
                '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Markup;

    fn escaped(text: &str) -> String {
        let mut markup = Markup::default();
        markup.text(text);
        markup.into_string()
    }

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(
            escaped("<script>alert('1 & \"2\"')</script>\0"),
            "&lt;script&gt;alert(&#39;1 &amp; &quot;2&quot;&#39;)&lt;/script&gt;\u{fffd}"
        );
        let mut markup = Markup::default();
        markup.leaf("a", &[("href", &"#\" onclick=\"x")], "b");
        assert_eq!(markup.into_string(), "<a href=\"#&quot; onclick=&quot;x\">b</a>");
    }

    proptest! {
        #[test]
        fn escaped_text_can_be_read_back(text in any::<String>()) {
            let html = escaped(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            let back = html
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            let expected: String = text
                .chars()
                .map(|c| match c {
                    '\n' | '\t' => c,
                    '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                    c if c.is_control() => '\u{fffd}',
                    c => c,
                })
                .collect();
            prop_assert_eq!(back, expected);
        }
    }
}
