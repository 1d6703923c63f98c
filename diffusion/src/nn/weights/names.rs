//! How parameter paths are spelled in files.

/// The differences between a module's parameter paths and the tensor names in its files.
///
/// Paths and names are compared part by part, a part being one or more whole segments between
/// dots, so that `query` never matches inside `query_norm`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameTable<'a> {
    /// Parts of parameter paths, and how files spell them. Applied in order, on load and on save;
    /// dots around a part do not count.
    pub rename: &'a [(&'a str, &'a str)],
    /// Parts of file names, and a spelling that other versions use. Tried on load, all together,
    /// when the file lacks the first spelling; an empty spelling drops the part.
    pub former: &'a [(&'a str, &'a str)],
    /// Last parts of tensors that files hold beside the parameters, such as `position_ids`.
    pub ignored: &'a [&'a str],
}

impl NameTable<'_> {
    /// The name a file gives to the parameter at `path`.
    pub fn file_name(&self, path: &str) -> String {
        replace_all(path, self.rename)
    }

    /// The name that other versions of the file format give to `name`, when it differs.
    pub fn former_name(&self, name: &str) -> Option<String> {
        let former = replace_all(name, self.former);
        (former != name).then_some(former)
    }

    /// Whether a file may hold `name` without the module having it.
    pub fn is_ignored(&self, name: &str) -> bool {
        self.ignored
            .iter()
            .any(|part| name == *part || name.strip_suffix(part).is_some_and(|head| head.ends_with('.')))
    }
}

fn replace_all(name: &str, pairs: &[(&str, &str)]) -> String {
    pairs
        .iter()
        .fold(name.to_owned(), |name, (from, to)| replace_part(&name, from, to))
}

fn replace_part(name: &str, from: &str, to: &str) -> String {
    let (from, to) = (from.trim_matches('.'), to.trim_matches('.'));
    let dotted = format!(".{name}.");
    let replacement = if to.is_empty() {
        ".".to_owned()
    } else {
        format!(".{to}.")
    };
    let replaced = dotted.replace(&format!(".{from}."), &replacement);
    replaced.trim_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_parts_only() {
        let table = NameTable {
            rename: &[("net_0", "net.0")],
            former: &[("to_q", "query"), ("to_out.0", "proj_attn"), ("text_model", "")],
            ignored: &["position_ids"],
        };
        assert_eq!(table.file_name("ff.net_0.proj.weight"), "ff.net.0.proj.weight");
        assert_eq!(table.file_name("ff.net_01.proj.weight"), "ff.net_01.proj.weight");
        assert_eq!(
            table.former_name("a.to_q.weight").as_deref(),
            Some("a.query.weight")
        );
        assert_eq!(
            table.former_name("a.to_out.0.bias").as_deref(),
            Some("a.proj_attn.bias")
        );
        assert_eq!(
            table.former_name("text_model.x.weight").as_deref(),
            Some("x.weight")
        );
        assert_eq!(table.former_name("a.to_qk.weight"), None);
        assert!(table.is_ignored("embeddings.position_ids"));
        assert!(table.is_ignored("position_ids"));
        assert!(!table.is_ignored("embeddings.my_position_ids"));
    }
}
