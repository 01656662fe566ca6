use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

/// Text of a file or a user as it may be shown on a terminal: control characters, which could move the cursor or colour
/// what follows, and characters that reverse the direction of text appear as escapes, such as `\u{1b}` and `\n`.
///
/// ```
/// assert_eq!(tinylsa_settings::printable("T-shirt\u{1b}[31m\n"), r"T-shirt\u{1b}[31m\n");
/// assert_eq!(tinylsa_settings::printable("Größe 🙂"), "Größe 🙂");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// The same for a text of several lines: line ends and tabs stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_harmful(character) && !matches!(character, '\n' | '\t'))
}

/// A path as it may be shown on a terminal. One that is no text is shown in quotes, with its bytes escaped.
#[expect(clippy::unnecessary_debug_formatting, reason = "the escapes are what is wanted")]
pub fn printable_path(path: &Path) -> String {
    path.to_str().map_or_else(|| format!("{path:?}"), |text| printable(text).into_owned())
}

/// A number of things whose plural ends in "s".
///
/// ```
/// assert_eq!(tinylsa_settings::counted(1, "image"), "1 image");
/// assert_eq!(tinylsa_settings::counted(0, "image"), "0 images");
/// ```
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            _ if !is_escaped(character) => shown.push(character),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // A string takes whatever is written to it.
            other => drop(write!(shown, "\\u{{{:x}}}", u32::from(other))),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, other line ends, and marks of the direction of text (Unicode's `Bidi_Control`).
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_escaped_and_nothing_else() {
        for character in ('\0'..='\u{9f}').filter(|character| character.is_control()) {
            assert!(printable(&character.to_string()).starts_with('\\'), "{character:?}");
        }
        for text in ["", "Ankle boot", "a\\b \"c\"", "é 中 🙂", "é\u{301}"] {
            assert!(matches!(printable(text), Cow::Borrowed(shown) if shown == text));
        }
        assert_eq!(printable("\u{1b}]0;title\u{7}"), r"\u{1b}]0;title\u{7}");
        assert_eq!(printable("\u{202e}gnp.exe"), r"\u{202e}gnp.exe");
        assert_eq!(printable("a\r\nb\tc"), r"a\r\nb\tc");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("a\n\tb\r\u{1b}[2J"), "a\n\tb\\r\\u{1b}[2J");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_shown_by_its_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9\x1b.png"));
        assert_eq!(printable_path(path), "\"caf\\xE9\\u{1b}.png\"");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(2, "image"), "2 images");
    }
}
