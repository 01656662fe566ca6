//! What a package needs to be published and to be built from what it holds.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{all_sources, crates, name, root};

/// Every `include_str!` and `include_bytes!` of a file in `directory` of a crate that leads out of the crate, by its text.
fn includes_from_outside(crate_dir: &Path, directory: &Path, text: &str) -> Vec<String> {
    let calls = ["include_str!(\"", "include_bytes!(\""];
    let paths = calls.iter().flat_map(|call| text.split(call).skip(1)).filter_map(|rest| rest.split('"').next());
    let by_manifest =
        ["include_str!(", "include_bytes!("].map(|call| format!("{call}concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/"));
    let by_manifest = by_manifest.iter().flat_map(|call| text.split(call).skip(1));
    let of_macro = by_manifest.filter_map(|rest| rest.split('"').next());
    paths
        .filter(|path| !resolved(directory, path).starts_with(crate_dir))
        .chain(of_macro.filter(|path| !resolved(crate_dir, path).starts_with(crate_dir)))
        .map(str::to_owned)
        .collect()
}

/// A path from a directory, without following links: a package has the files in their place.
fn resolved(directory: &Path, path: &str) -> PathBuf {
    let mut found = directory.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => assert!(found.pop()),
            Component::Normal(part) => found.push(part),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    found
}

#[test]
fn no_crate_is_built_from_files_outside_of_it() {
    for path in crates() {
        for (file, text) in all_sources(&path) {
            let directory = path.join("src").join(&file);
            let outside = includes_from_outside(&path, directory.parent().unwrap(), &text);
            assert!(outside.is_empty(), "{}/src/{file} includes {}", name(&path), outside.join(", "));
        }
    }
}

#[test]
fn an_included_file_outside_of_a_crate_is_found() {
    let (crate_dir, directory) = (Path::new("/w/crates/a"), Path::new("/w/crates/a/src/b"));
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(includes_from_outside(crate_dir, directory, text), expected, "{text}");
    };
    let of = |path: &str| format!("const A: &str = {}_str!(\"{path}\");", "include");
    check(&of("../../README.md"), &[]);
    check(&of("style.css"), &[]);
    check(&of("../../../README.md"), &["../../../README.md"]);
    let by_manifest = |path: &str| format!("{}_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{path}\"))", "include");
    check(&by_manifest("configs/ci.toml"), &[]);
    check(&by_manifest("../../configs/ci.toml"), &["../../configs/ci.toml"]);
}

#[test]
fn every_crate_says_what_its_page_shows() {
    let version = env!("CARGO_PKG_VERSION");
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for path in crates() {
        let manifest: toml::Table = toml::from_str(&fs::read_to_string(path.join("Cargo.toml")).unwrap()).unwrap();
        let package = &manifest["package"];
        let said = |key: &str| package.get(key).unwrap_or_else(|| panic!("{} has no {key}", name(&path)));
        assert!(said("description").as_str().is_some_and(|text| text.len() > 20), "{}", name(&path));
        assert!(path.join(said("readme").as_str().unwrap()).is_file(), "{}", name(&path));
        let keywords = said("keywords").as_array().unwrap();
        let is_short = |word: &toml::Value| word.as_str().is_some_and(|word| word.len() <= 20);
        assert!((1..=5).contains(&keywords.len()) && keywords.iter().all(is_short), "{}", name(&path));
        assert!(said("categories").as_array().is_some_and(|list| !list.is_empty()), "{}", name(&path));
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let (here, there) = (path.join(licence), root().join(licence));
            assert_eq!(fs::read(here).unwrap(), fs::read(there).unwrap(), "{}", name(&path));
        }
        if name(&path) != "xtask" {
            let crate_name = said("name").as_str().unwrap();
            let line = format!("{crate_name} = {{ version = \"{version}\", path = \"crates/{}\" }}", name(&path));
            assert!(workspace.contains(&line), "the workspace has no `{line}`");
        }
    }
}
