//! Rules of this workspace that the compiler does not know.

mod imports;
mod packages;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use imports::circle;

/// Lines of a source file, at the most.
const LINES_OF_A_FILE: usize = 400;

/// Lines of the command line, at the most: whatever a library user would miss is in a library.
const LINES_OF_XTASK: usize = 3900;

#[test]
fn the_files_of_a_crate_do_not_import_each_other_in_a_circle() {
    for path in crates() {
        if let Some(files) = circle(&sources(&path)) {
            panic!("{} has a circle of imports: {}", name(&path), files.join(" → "));
        }
    }
}

#[test]
fn no_source_file_is_long() {
    for path in crates() {
        for (file, text) in all_sources(&path) {
            let lines = text.lines().count();
            let name = name(&path);
            assert!(lines <= LINES_OF_A_FILE, "{name}/src/{file} has {lines} lines, at most {LINES_OF_A_FILE}");
        }
    }
}

#[test]
fn the_command_line_stays_small() {
    let lines: usize = all_sources(&root().join("xtask")).iter().map(|(_, text)| text.lines().count()).sum();
    assert!((1..=LINES_OF_XTASK).contains(&lines), "xtask/src has {lines} lines, at most {LINES_OF_XTASK}");
}

#[test]
fn no_conflict_of_a_merge_is_left() {
    let mark = "<".repeat(7);
    let files = files(&root(), &["rs", "md", "toml", "yml", "py", "css"]);
    assert!(files.iter().any(|path| path.ends_with("README.md")));
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let line = text.lines().position(|line| line.starts_with(&mark));
        assert_eq!(line, None, "{} has a conflict", path.display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Every crate of the workspace.
fn crates() -> Vec<PathBuf> {
    let mut crates: Vec<PathBuf> = fs::read_dir(root().join("crates")).unwrap().map(|e| e.unwrap().path()).collect();
    crates.retain(|path| path.join("Cargo.toml").is_file());
    crates.push(root().join("xtask"));
    crates.sort();
    assert!(crates.len() > 10, "{crates:?}");
    crates
}

/// Every source file of a crate, by its path below `src`, with its text.
fn all_sources(path: &Path) -> Vec<(String, String)> {
    let src = path.join("src");
    let found = files(&src, &["rs"]);
    assert!(!found.is_empty(), "{} has no source files", src.display());
    let source = |path: &PathBuf| {
        let parts = path.strip_prefix(&src).unwrap().iter().map(|part| part.to_str().unwrap());
        (parts.collect::<Vec<_>>().join("/"), fs::read_to_string(path).unwrap())
    };
    found.iter().map(source).collect()
}

/// As [`all_sources`], without the files that hold tests.
fn sources(path: &Path) -> Vec<(String, String)> {
    let is_test = |file: &str| file.split('/').any(|part| part == "tests" || part == "tests.rs");
    all_sources(path).into_iter().filter(|(file, _)| !is_test(file)).collect()
}

/// The files with these extensions below a directory, build outputs and hidden directories left out.
fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_hidden = name(&path).starts_with('.') || name(&path) == "target";
        if path.is_dir() && !is_hidden {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

mod rules {
    use super::circle;
    use super::source::{Code, without_comments_and_literals, without_tests};

    fn found(files: &[(&str, &str)]) -> Option<Vec<String>> {
        let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        circle(&files)
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(found(files).unwrap_or_default(), expected);
    }

    #[test]
    fn imports_that_lead_back_are_a_circle() {
        check(
            &[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use super::a::A;")],
            &["a.rs", "b.rs"],
        );
        check(
            &[
                ("a/mod.rs", "use crate::c::{self, C as D};"),
                ("b.rs", "use crate::a::A;"),
                ("c.rs", "use crate::{b, x::{y, z}};"),
            ],
            &["a/mod.rs", "c.rs", "b.rs"],
        );
        check(&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c::C;"), ("c.rs", "")], &[]);
    }

    #[test]
    fn a_child_that_imports_what_its_parent_defines_is_a_circle_if_the_parent_uses_it() {
        let child = ("a/child.rs", "use super::Kind; pub fn run(kind: Kind) {}");
        check(
            &[("a/mod.rs", "mod child; enum Kind { One } fn f() { child::run(Kind::One) }"), child],
            &["a/mod.rs", "a/child.rs"],
        );
        check(&[("a/mod.rs", "mod child; pub use child::run; pub enum Kind { One }"), child], &[]);
        let used = "mod child; pub use child::run; pub enum Kind { One } fn f() { run(Kind::One) }";
        check(&[("a/mod.rs", used), child], &["a/mod.rs", "a/child.rs"]);
        check(
            &[
                ("a/mod.rs", "mod child; mod kind; pub use kind::Kind; fn f() { child::run(Kind::One) }"),
                child,
                ("a/kind.rs", ""),
            ],
            &[],
        );
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        let lib = ("lib.rs", "mod a; mod b; pub use a::Thing; pub(crate) use b::{Other as Renamed};");
        let a = ("a/mod.rs", "mod deep; pub use deep::Thing;");
        check(&[lib, a, ("a/deep.rs", "use crate::Renamed;"), ("b.rs", "use crate::Thing;")], &["a/deep.rs", "b.rs"]);
        check(&[lib, a, ("a/deep.rs", ""), ("b.rs", "use crate::Thing;")], &[]);
    }

    #[test]
    fn a_path_in_the_code_needs_its_file_as_an_import_does() {
        let back = ("b.rs", "use crate::a::A;");
        check(&[("a.rs", "fn f() { crate::b::g(); }"), back], &["a.rs", "b.rs"]);
        check(&[("a.rs", "fn f() -> super::b::B { x }"), back], &["a.rs", "b.rs"]);
        check(&[("a.rs", "pub(in crate::b) fn f() {} // crate::b\n/* crate::b::g() */"), back], &[]);
        check(&[("a.rs", "fn f() { \"crate::b::g\"; r#\"crate::b\"#; }"), back], &[]);
    }

    #[test]
    fn what_only_tests_import_is_left_out() {
        let back = ("b.rs", "use crate::a::A;");
        check(&[("a.rs", "#[cfg(test)]\nmod tests { use crate::b::B; fn f() { if x {} } }"), back], &[]);
        check(&[("a.rs", "#[cfg(test)]\npub(crate) use crate::b::{B, C};\nuse crate::c::C;"), back], &[]);
        check(&[("a.rs", "#[cfg(test)]\nmod tests { }\nuse crate::b::B;"), back], &["a.rs", "b.rs"]);
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let code = "a // b\nc /* d /* e */ f */ \"g \\\" // h\" 'i' '\\'' '\\u{1}' r\"j\" &'k l r#type";
        assert_eq!(
            without_comments_and_literals(code).split_whitespace().collect::<Vec<_>>(),
            ["a", "c", "&'k", "l", "r#type"]
        );
        assert_eq!(without_tests("a; #[cfg(test)] fn b() { [1; 2]; } c; #[cfg(test)] mod d; e;"), "a;  c;  e;");
    }

    #[test]
    fn an_import_is_read_to_its_last_name() {
        let code =
            Code::of("pub(crate) use a::{self, b::{C as D, *}}; use e::f; impl Trait + use<'a>; fn g() { use h; }");
        let imports: Vec<(String, &str, bool)> = code
            .imports
            .iter()
            .map(|import| (import.path.join("::"), import.name.as_str(), import.is_visible))
            .collect();
        let expected =
            [("a", "a", true), ("a::b::C", "D", true), ("a::b", "*", true), ("e::f", "f", false), ("h", "h", false)];
        assert_eq!(imports, expected.map(|(path, name, is_visible)| (path.to_owned(), name, is_visible)));
    }
}
