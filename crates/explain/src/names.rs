//! Names of images, safe as folders and harmless on a terminal and a page, and names of classes, as somebody types them.

use std::ffi::OsStr;
use std::path::PathBuf;

use tinylsa_settings::{UsageError, printable};

/// Names that stand for something else in the directory of the images.
const TAKEN: [&str; 4] = ["explanations.html", "images.json", "scores.json", "methods.png"];
/// Names that Windows gives to devices, with any ending.
const DEVICES: [&str; 8] = ["con", "prn", "aux", "nul", "com1", "com2", "lpt1", "lpt2"];
/// The most bytes of a name. File systems allow 255, of which a number and a temporary file need some.
const LONGEST: usize = 120;

/// A name for each file, in their order: its stem, made safe as the name of a folder, with a number behind it where an
/// earlier file has that name already. Names that differ in the case of their letters alone are the same.
pub fn names_of_files(paths: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(paths.len());
    for path in paths {
        let stem = safe_name(path.file_stem().unwrap_or_default());
        let is_free = |name: &String| names.iter().all(|other| other.to_lowercase() != name.to_lowercase());
        let mut candidates = std::iter::once(stem.clone()).chain((2_u64..).map(|number| format!("{stem}-{number}")));
        names.push(candidates.find(is_free).unwrap_or(stem));
    }
    names
}

/// The class with this number or name.
///
/// # Errors
/// [`UsageError`] if there is none, with the nearest name.
pub fn class_of(class: &str, names: &[String]) -> Result<usize, UsageError> {
    if let Ok(number) = class.parse::<usize>() {
        let last = names.len().saturating_sub(1);
        return if number < names.len() {
            Ok(number)
        } else {
            Err(UsageError(format!("there is no class {number}, expected 0 to {last}")))
        };
    }
    let same = |name: &String| name.eq_ignore_ascii_case(class);
    names.iter().position(same).ok_or_else(|| {
        let wanted = class.to_lowercase();
        // a part of a name, such as boot, is nearer than any other name
        let likeness = |name: &String| {
            let name = name.to_lowercase();
            f64::from(u8::from(name.contains(&wanted))) + strsim::jaro_winkler(&name, &wanted)
        };
        let nearest = names.iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
        let nearest = nearest.map_or("", String::as_str);
        let list = names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ");
        let (class, nearest) = (printable(class), printable(nearest));
        UsageError(format!("there is no class {class}, did you mean {nearest}? The classes are {list}"))
    })
}

/// The name of a folder that looks like `stem` and can be one everywhere: no separators, no control characters, no name
/// with a meaning of its own.
fn safe_name(stem: &OsStr) -> String {
    let is_unsafe = |letter: char| is_hidden(letter) || "/\\:*?\"<>|\u{fffd}".contains(letter);
    let shown: String =
        stem.to_string_lossy().chars().map(|letter| if is_unsafe(letter) { '-' } else { letter }).collect();
    let is_edge = |letter: char| letter == '.' || letter.is_whitespace();
    let trimmed = shown.trim_matches(is_edge);
    let end = (0..=LONGEST.min(trimmed.len())).rev().find(|&end| trimmed.is_char_boundary(end)).unwrap_or(0);
    let name = trimmed[..end].trim_end_matches(is_edge);
    let lower = name.to_lowercase();
    let device = lower.split('.').next().unwrap_or_default();
    if name.is_empty() {
        "image".to_owned()
    } else if TAKEN.contains(&lower.as_str()) || DEVICES.contains(&device) {
        format!("image-{name}")
    } else {
        name.to_owned()
    }
}

/// Control characters, and the invisible ones that order text or join it.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        names_of_files(&paths.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_is_called_by_its_stem_and_no_two_alike() {
        assert_eq!(names(&["a/dress.png", "b/dress.jpg", "dress.png"]), ["dress", "dress-2", "dress-3"]);
        assert_eq!(names(&["dress-2.png", "dress.png", "x/dress.png"]), ["dress-2", "dress", "dress-3"]);
        assert_eq!(names(&["Dress.png", "dress.png"]), ["Dress", "dress-2"], "the same folder on some systems");
        assert_eq!(names(&["mein Kleid (1).png", "ワンピース.png"]), ["mein Kleid (1)", "ワンピース"]);
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        let hostile =
            ["...png", "..", "....png", "/", " .png", "a\\..\\b.png", "a\nb.png", "con.png", "\u{202e}gnp.png"];
        let found = names(&hostile);
        let expected = ["image", "image-2", "image-3", "image-4", "image-5", "a-..-b", "a-b", "image-con", "-gnp"];
        assert_eq!(found, expected);
        assert_eq!(
            names(&["explanations.html.png", "Images.json.png"]),
            ["image-explanations.html", "image-Images.json"]
        );
        for name in found {
            let mut parts = std::path::Path::new(&name).components();
            assert!(matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None)), "{name}");
        }
        let long = names(&["é".repeat(300).as_str()]);
        assert!(long[0].len() <= LONGEST && long[0].starts_with("éé"));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_names_still() {
        use std::os::unix::ffi::OsStrExt;

        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        assert_eq!(names_of_files(&[path(b"a\xff.png"), path(b"a\xfe.png")]), ["a-", "a--2"]);
    }
}
