//! The files of the page, which the program carries.

/// The files of these paths below `assets`.
macro_rules! assets {
    ($($path:literal),+ $(,)?) => { &[$(($path, include_bytes!(concat!("../assets/", $path)))),+] };
}

/// Every file below `assets`, by its path there. Answers name them by the same path. The modules below `live` are those of
/// reports, which `tinylsa_report::live_modules` gives.
pub(crate) const ASSETS: &[(&str, &[u8])] = assets![
    "app.js",
    "ask/contrast.js",
    "ask/region.js",
    "ask/scores.js",
    "ask/what_if.js",
    "choose/drawing.js",
    "choose/gallery.js",
    "choose/gallery_order.js",
    "choose/photo.js",
    "choose/raster.js",
    "choose/tabs.js",
    "icon.svg",
    "index.html",
    "keep/keep.js",
    "link.js",
    "see/drawable.js",
    "see/evidence.js",
    "see/jobs.js",
    "see/look.js",
    "see/methods.js",
    "see/prediction.js",
    "see/settings.js",
    "see/tokens.js",
    "server.js",
    "store.js",
    "styles/choose.css",
    "styles/explain.css",
    "styles/layout.css",
    "styles/theme.css",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn files(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn the_program_carries_every_file_of_the_page() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut found = Vec::new();
        files(&root, &root, &mut found);
        found.sort();
        let mut carried: Vec<&str> = ASSETS.iter().map(|(path, _)| *path).collect();
        carried.sort_unstable();
        assert_eq!(carried, found);
    }

    #[test]
    fn every_import_leads_to_a_file_that_is_served() {
        let live = tinylsa_report::live_modules();
        for (path, bytes) in
            ASSETS.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "js"))
        {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.lines().count() <= 400, "{path}");
            for import in text.lines().filter(|line| line.starts_with("import ")) {
                let from = import.split('"').nth(1).unwrap();
                let folder = Path::new(path).parent().unwrap();
                let mut parts: Vec<&str> = folder.iter().map(|part| part.to_str().unwrap()).collect();
                for part in from.split('/').filter(|part| *part != ".") {
                    if part == ".." {
                        assert!(parts.pop().is_some(), "{path}: {from}");
                    } else {
                        parts.push(part);
                    }
                }
                let wanted = parts.join("/");
                let is_live =
                    wanted.strip_prefix("live/").is_some_and(|name| live.iter().any(|(module, _)| *module == name));
                assert!(is_live || ASSETS.iter().any(|(other, _)| *other == wanted), "{path} imports {from}");
            }
        }
    }
}
