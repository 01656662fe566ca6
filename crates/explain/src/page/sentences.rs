//! Sentences on a page.

/// The text with a capital at its beginning.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    // μFidelity and R² keep their first letters
    match characters.next() {
        Some(first) if first.is_ascii_lowercase() => first.to_ascii_uppercase().to_string() + characters.as_str(),
        _ => text.to_owned(),
    }
}
