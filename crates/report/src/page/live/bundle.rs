//! The files of the component, and the one script and style sheet that a page holds.

use std::sync::LazyLock;

/// A file of the live component: its name, and its text.
pub type LiveModule = (&'static str, &'static str);

macro_rules! modules {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!($name))),+] };
}

/// The modules that pages share, each after those that it imports, and their style sheet.
const SHARED: &[LiveModule] = modules![
    "colours.js",
    "numbers.js",
    "elements.js",
    "map_canvas.js",
    "scale_bar.js",
    "token_rows.js",
    "token_view.js",
    "method_strip.js",
    "live.css",
];

/// The name of the style sheet.
const STYLE: &str = "live.css";

/// The most that a page with one live image is larger than without, in bytes: script, style sheet and numbers.
const MOST: usize = 60_000;
/// What stands around the script, the style sheet and the numbers.
const AROUND: usize = 400;

/// What a report needs besides.
const OF_REPORTS: &[LiveModule] = modules!["unpack.js", "report.js"];

/// The files that draw maps, follow a hovered token and set methods side by side, for pages that are served: plain
/// ECMAScript modules, which import each other by their names, and a style sheet.
pub fn live_modules() -> &'static [LiveModule] {
    SHARED
}

/// How many letters the numbers of a live image may take so that it makes no page larger by more than 60 kB.
pub fn live_budget() -> usize {
    MOST - AROUND - script().len() - style().len()
}

/// All modules as one, without imports, exports, comments and indentation.
pub(in crate::page) fn script() -> &'static str {
    static SCRIPT: LazyLock<String> = LazyLock::new(|| {
        let modules = SHARED.iter().chain(OF_REPORTS).filter(|(name, _)| *name != STYLE);
        modules.map(|(_, text)| merged(text)).collect()
    });
    &SCRIPT
}

/// The style sheet.
pub(in crate::page) fn style() -> &'static str {
    SHARED.iter().find(|(name, _)| *name == STYLE).map_or("", |(_, text)| *text)
}

/// The lines of a module that are left when it stands among the others. Imports are lines of their own, and so are comments.
fn merged(text: &str) -> String {
    let mut in_comment = false;
    let mut merged = String::new();
    for line in text.lines().map(str::trim) {
        let is_comment = in_comment || line.starts_with("//") || line.starts_with("/*");
        in_comment = (in_comment || line.starts_with("/*")) && !line.ends_with("*/");
        if is_comment || line.is_empty() || line.starts_with("import ") {
            continue;
        }
        merged.push_str(line.strip_prefix("export ").unwrap_or(line));
        merged.push('\n');
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_module_is_merged_whole_and_no_name_stands_for_two_things() {
        let mut names = BTreeSet::new();
        let lines = SHARED.iter().chain(OF_REPORTS).flat_map(|(_, text)| text.lines());
        for line in lines.map(|line| line.strip_prefix("export ").unwrap_or(line)) {
            let declared = ["const ", "let ", "function ", "async function ", "class "];
            // only what is declared at the start of a line is seen by the other modules
            let Some(rest) = declared.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
            let name = rest.split([' ', '(']).next().unwrap();
            assert!(names.insert(name), "{name} is declared twice");
            assert!(script().contains(line), "{line}");
        }
        assert!(names.contains("tokenView") && names.contains("drawMap") && names.contains("unpack"), "{names:?}");
    }

    #[test]
    fn nothing_of_a_module_refers_to_another_place() {
        for (name, text) in SHARED.iter().chain(OF_REPORTS) {
            assert!(!text.contains("://") && !text.contains("</"), "{name}");
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                assert!(line.contains(" from \"./") && line.ends_with(';'), "{name}: {line}");
            }
        }
        assert!(!script().contains("import ") && !script().contains("export "));
        assert!(live_budget() > 30_000, "{} bytes are left for the numbers of an image", live_budget());
    }
}
