use std::path::Path;

/// A path as one line of text that no terminal acts on: as it is if it can be, otherwise in quotes with what is no text
/// and every control character escaped, as Rust writes them.
#[expect(clippy::unnecessary_debug_formatting, reason = "the escapes are what is wanted")]
pub fn printable_path(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => text.to_owned(),
        Some(_) | None => format!("{path:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_control_characters_are_escaped() {
        assert_eq!(printable_path(Path::new("Röcke/dress 1.png")), "Röcke/dress 1.png");
        assert_eq!(printable_path(Path::new("a\u{1b}[31m\n.png")), r#""a\u{1b}[31m\n.png""#);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_escaped() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
        assert_eq!(printable_path(path), r#""caf\xE9.png""#);
    }
}
