//! Listings of the server that misbehaves.

/// Lists a page of names as S3 does, a token being the last name before it.
pub(super) fn page<'n>(names: impl Iterator<Item = &'n String>, query: &str) -> String {
    let field = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| unescape(value))
            .next();
        value.unwrap_or_default()
    };
    let (prefix, delimiter) = (field("prefix"), field("delimiter"));
    let after = [field("continuation-token"), field("start-after")]
        .into_iter()
        .max()
        .unwrap();
    let size: usize = field("max-keys").parse().unwrap_or(1000);
    let mut entries: Vec<(String, bool)> = Vec::new();
    for name in names.filter(|name| name.starts_with(&prefix)) {
        let rest = &name[prefix.len()..];
        let folder = rest.find('/').filter(|_| !delimiter.is_empty());
        let entry = match folder {
            Some(end) => (format!("{prefix}{}", &rest[..=end]), true),
            None => (name.clone(), false),
        };
        if entry.0 > after && entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    let more = entries.len() > size;
    entries.truncate(size);
    let mut text = format!("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{more}</IsTruncated>");
    if more {
        let last = &entries.last().unwrap().0;
        text.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    }
    for (name, is_folder) in entries {
        let name = name.replace('\u{1}', "&#1;");
        text.push_str(&match is_folder {
            true => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            false => format!(
                "<Contents><Key>{name}</Key><Size>1</Size>\
                 <LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>e</ETag></Contents>"
            ),
        });
    }
    text.push_str("</ListBucketResult>");
    text
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Vec<u8> = if byte == b'%' {
            rest.by_ref().take(2).collect()
        } else {
            Vec::new()
        };
        let digits = std::str::from_utf8(&digits).unwrap();
        bytes.push(u8::from_str_radix(digits, 16).unwrap_or(byte));
    }
    String::from_utf8(bytes).unwrap()
}
