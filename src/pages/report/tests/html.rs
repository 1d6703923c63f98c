//! Reading a page back, as strictly as these tests need.

/// A tag of the page, in its order.
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    /// What stands between name and `>`.
    pub(super) attributes: &'a str,
    pub(super) closes: bool,
    /// The text up to the next tag.
    pub(super) text: &'a str,
}

/// Splits a page into tags; every `<` must begin one, as text is escaped.
pub(super) fn tags(page: &str) -> Vec<Tag<'_>> {
    page.split('<')
        .skip(1)
        .map(|part| {
            let (tag, text) = part.split_once('>').expect("a tag ends");
            let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            assert!(
                name == "!DOCTYPE" || name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "odd tag `{tag}`"
            );
            Tag {
                name,
                attributes,
                closes,
                text,
            }
        })
        .collect()
}

/// Checks that every element is closed, innermost first.
pub(super) fn check_nesting(page: &str) {
    let mut open = Vec::new();
    for tag in tags(page) {
        match tag {
            Tag {
                name: "!DOCTYPE" | "meta" | "img",
                ..
            } => {}
            Tag {
                closes: true, name, ..
            } => assert_eq!(open.pop(), Some(name)),
            Tag { name, .. } => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
}

/// Returns the values of an attribute, in the order of the page.
pub(super) fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let find = |tag: Tag<'a>| {
        let mut rest = tag.attributes;
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a value ends");
            if name.trim() == attribute {
                return Some(value);
            }
            rest = after;
        }
        None
    };
    tags(page).into_iter().filter_map(find).collect()
}

/// Returns section anchors, headings and table columns, one to a line.
pub(super) fn outline(page: &str) -> Vec<String> {
    let mut outline = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for tag in tags(page) {
        match (tag.name, tag.closes) {
            ("section", false) => {
                let (_, id) = tag.attributes.split_once("id=\"").expect("sections have anchors");
                outline.push(format!("section {}", id.split('"').next().unwrap_or_default()));
            }
            ("h1" | "h2", false) => outline.push(format!("{} {}", tag.name, tag.text)),
            ("thead", false) => columns = Some(Vec::new()),
            ("thead", true) => {
                outline.extend(columns.take().map(|names| format!("table {}", names.join(" | "))))
            }
            ("th", false) => {
                if let Some(columns) = &mut columns {
                    columns.push(tag.text.to_owned());
                }
            }
            _ => {}
        }
    }
    outline
}
