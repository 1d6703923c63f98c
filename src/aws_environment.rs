//! Credentials of S3 from the places where other programs keep them.
//!
//! The environment counts first, then the profile `AWS_PROFILE` (or `default`) of `~/.aws/credentials` and
//! `~/.aws/config`. What these do not name, object stores find themselves: web identity, containers, instances.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mitune_store::bounded_file::read_text;
use mitune_store::remote::Credentials;

/// Bytes that a file of profiles stays far below.
const SIZE_LIMIT: u64 = 1 << 20;

/// Settings of a profile and the names they have in the environment.
const NAMES: [(&str, &str); 7] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("region", "AWS_REGION"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
    ("role_arn", "AWS_ROLE_ARN"),
    ("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
];

/// The part that only makes sense together; it comes from one place.
const SECRET: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Collects what the user's environment and files say about S3.
pub(crate) fn credentials() -> Credentials {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty())
        .collect();
    let file = |variable: &str, name: &str| {
        let named = environment.get(variable).map(PathBuf::from);
        let path =
            named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".aws").join(name)))?;
        read_text(&path, SIZE_LIMIT).ok()
    };
    combine(
        &environment,
        &file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default(),
        &file("AWS_CONFIG_FILE", "config").unwrap_or_default(),
    )
}

fn combine(environment: &BTreeMap<String, String>, credentials: &str, config: &str) -> Credentials {
    let profile = environment.get("AWS_PROFILE").map_or("default", String::as_str);
    let mut found = section(config, &format!("profile {profile}"));
    if profile == "default" {
        found.extend(section(config, "default"));
    }
    found.extend(section(credentials, profile));
    let mut variables: BTreeMap<String, String> = NAMES
        .iter()
        .filter_map(|(name, variable)| Some(((*variable).to_owned(), found.get(*name)?.clone())))
        .collect();
    if environment.keys().any(|name| SECRET.contains(&name.as_str())) {
        variables.retain(|name, _| !SECRET.contains(&name.as_str()));
    }
    variables.extend(environment.clone());
    Credentials {
        variables: variables.into_iter().collect(),
    }
}

/// Reads one section of a file of sections `[name]` with lines `name = value`.
fn section(text: &str, name: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(heading) = trimmed.strip_prefix('[') {
            let heading = heading.split(']').next().unwrap_or_default();
            inside = heading.split_whitespace().eq(name.split_whitespace());
        } else if inside
            && !trimmed.starts_with(['#', ';'])
            && !line.starts_with([' ', '\t'])
            && let Some((key, value)) = trimmed.split_once('=')
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = A\naws_secret_access_key=B=\n\n[lab]\n\
                               # aws_access_key_id = X\naws_access_key_id = C\naws_secret_access_key = D\n";
    const CONFIG: &str = "[default]\nregion = here\n[profile lab]\nregion = there\nendpoint_url = http://s\n\
                          s3 =\n  region = nested\n";

    fn get(environment: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = environment
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        combine(&pairs.collect(), CREDENTIALS, CONFIG)
            .variables
            .into_iter()
            .collect()
    }

    #[test]
    fn the_environment_counts_before_the_profile() {
        let default = get(&[]);
        assert_eq!(default["AWS_ACCESS_KEY_ID"], "A");
        assert_eq!(default["AWS_SECRET_ACCESS_KEY"], "B=");
        assert_eq!(default["AWS_REGION"], "here");
        let lab = get(&[("AWS_PROFILE", "lab")]);
        assert_eq!(
            (lab["AWS_ACCESS_KEY_ID"].as_str(), lab["AWS_REGION"].as_str()),
            ("C", "there")
        );
        assert_eq!(lab["AWS_ENDPOINT_URL"], "http://s");
        let both = get(&[("AWS_ACCESS_KEY_ID", "E"), ("AWS_REGION", "other")]);
        assert_eq!(
            (both["AWS_ACCESS_KEY_ID"].as_str(), both["AWS_REGION"].as_str()),
            ("E", "other")
        );
        assert!(
            !both.contains_key("AWS_SECRET_ACCESS_KEY"),
            "keys are never mixed"
        );
    }
}
