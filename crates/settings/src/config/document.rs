use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::{Excerpt, Place};
use super::key_path::KeyPath;

/// The text of a config with the place of every key and value in it.
#[derive(Debug)]
pub(crate) struct Document<'text> {
    name: &'text str,
    text: &'text str,
    root: DeTable<'text>,
}

/// What is left of a path in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many segments of the path exist.
    pub(crate) depth: usize,
    /// The key of the deepest value that exists; that value itself where it has none of its own (an array entry, the root).
    pub(crate) key: Range<usize>,
    /// The deepest value that exists; of a table its header, or its first key where it has no header.
    pub(crate) value: Range<usize>,
}

impl<'text> Document<'text> {
    /// Finds every place in `text`, even if parts of it are no TOML.
    pub(crate) fn new(name: &'text str, text: &'text str) -> Self {
        let (root, _errors) = DeTable::parse_recoverable(text);
        Self { name, text, root: root.into_inner() }
    }

    /// Follows `path` as far as it exists.
    pub(crate) fn find(&self, path: &KeyPath) -> Found {
        let mut found = Found { depth: 0, key: 0..0, value: 0..0 };
        let mut value: Option<&DeValue<'text>> = None;
        for segment in path.segments() {
            let table = value.map_or(Some(&self.root), DeValue::as_table);
            if let Some((key, entry)) = table.and_then(|table| table.get_key_value(segment.as_str())) {
                found = Found { depth: found.depth + 1, key: key.span(), value: entry.span() };
                value = Some(entry.get_ref());
            } else if let Some(entry) = value
                .and_then(DeValue::as_array)
                .and_then(|array| segment.parse().ok().and_then(|index: usize| array.get(index)))
            {
                found = Found { depth: found.depth + 1, key: entry.span(), value: entry.span() };
                value = Some(entry.get_ref());
            } else {
                break;
            }
        }
        found
    }

    /// The paths of all keys called `name`, in the order of the file.
    pub(crate) fn keys_called(&self, name: &str) -> Vec<KeyPath> {
        let mut paths = Vec::new();
        self.visit(&mut |path, _| {
            if path.last() == Some(name) {
                paths.push(path.clone());
            }
        });
        paths
    }

    /// The path of the table that an assignment at `offset` belongs to.
    pub(crate) fn table_around(&self, offset: usize) -> KeyPath {
        let mut nearest = (0, KeyPath::default());
        self.visit(&mut |path, value| {
            let span = value.span();
            let is_around = value.get_ref().is_table()
                && match self.text.as_bytes().get(span.start) {
                    Some(b'[') => span.end <= offset,
                    Some(b'{') => span.contains(&offset),
                    // a table that only dotted keys made
                    _ => false,
                };
            if is_around && span.start >= nearest.0 {
                nearest = (span.start, path.clone());
            }
        });
        nearest.1
    }

    /// The key, dotted or not, whose last part ends at `end`.
    pub(crate) fn dotted_key_until(&self, end: usize) -> &'text str {
        let before = &self.text[..self.text.floor_char_boundary(end)];
        before.rsplit(|character: char| character.is_whitespace() || "{,".contains(character)).next().unwrap_or(before)
    }

    /// The line of text around `offset`, without its end.
    pub(crate) fn line_around(&self, offset: usize) -> &'text str {
        line_around(self.text, self.text.floor_char_boundary(offset)).1
    }

    /// `span` as a place to show.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        place(self.name, self.text, span)
    }

    fn visit(&self, visitor: &mut impl FnMut(&KeyPath, &toml::Spanned<DeValue<'text>>)) {
        visit_table(&self.root, &KeyPath::default(), visitor);
    }
}

fn visit_table<'text>(
    table: &DeTable<'text>,
    path: &KeyPath,
    visitor: &mut impl FnMut(&KeyPath, &toml::Spanned<DeValue<'text>>),
) {
    for (key, value) in table {
        visit_value(value, &path.child(key.get_ref().as_ref()), visitor);
    }
}

fn visit_value<'text>(
    value: &toml::Spanned<DeValue<'text>>,
    path: &KeyPath,
    visitor: &mut impl FnMut(&KeyPath, &toml::Spanned<DeValue<'text>>),
) {
    visitor(path, value);
    match value.get_ref() {
        DeValue::Table(table) => visit_table(table, path, visitor),
        DeValue::Array(array) => {
            for (index, entry) in array.iter().enumerate() {
                visit_value(entry, &path.child(index.to_string()), visitor);
            }
        }
        _ => {}
    }
}

/// The place of the bytes `span` of `text`.
pub(crate) fn place(name: &str, text: &str, span: Range<usize>) -> Place {
    let start = text.floor_char_boundary(span.start);
    let (line_start, line) = line_around(text, start);
    let before = &text[line_start..start];
    let line_end = line_start + line.len().max(before.len());
    let end = text.floor_char_boundary(span.end.clamp(start, line_end));
    let marked = text[start..end].chars().count();
    Place::File {
        name: name.to_owned(),
        line: text[..line_start].matches('\n').count() + 1,
        column: before.chars().count() + 1,
        excerpt: Excerpt { line: line.to_owned(), marked: marked.max(1) },
    }
}

/// The offset of the line that holds `offset`, which lies between characters, and the line without its end.
fn line_around(text: &str, offset: usize) -> (usize, &str) {
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].split('\n').next().unwrap_or_default();
    (start, line.strip_suffix('\r').unwrap_or(line))
}
