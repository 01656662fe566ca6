use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{printable, printable_path};
use thiserror::Error;

/// The most characters of a line that an excerpt shows.
const LONGEST_EXCERPT: usize = 160;
/// How many of them come before the part that is meant.
const BEFORE_MEANT: usize = 60;

/// Why a config cannot be used. The text of [`ConfigError::Invalid`] has several lines and no line end after the last.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read the config {}", printable_path(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The config holds a mistake.
    #[error("{place}: {problem}{}{}", place.excerpt(), problem.notes(place))]
    Invalid {
        /// Where.
        place: Box<Place>,
        /// What.
        problem: Box<Problem>,
    },
}

/// Where a mistake was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the text of a config.
    File {
        /// The file, or whatever else the text comes from.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// What stands there.
        excerpt: Excerpt,
    },
    /// In an argument of `--set`.
    Override(String),
}

/// A line of a config with the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without its end.
    pub line: String,
    /// How many characters are meant, from the column of the place on; at least one.
    pub marked: usize,
}

/// What is wrong with a config. Keys are full paths, such as `train.epochs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file is no text.
    NotUtf8,
    /// The text is no TOML.
    Syntax(String),
    /// A key is there twice.
    DuplicateKey(String),
    /// No such key.
    UnknownKey {
        /// The key.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
        /// The keys of the same table that exist, without the path of the table.
        valid: Vec<String>,
    },
    /// A key without which the config is not complete.
    MissingKey(String),
    /// A value of the wrong type.
    WrongType {
        /// The key; empty for the whole config.
        key: String,
        /// The value that was found.
        found: String,
        /// The type that was expected.
        expected: String,
        /// Whether quotes would make it right.
        is_unquoted: bool,
    },
    /// A name that is none of those allowed here.
    UnknownName {
        /// The key.
        key: String,
        /// The name that was found.
        found: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The names that are allowed.
        valid: Vec<String>,
    },
    /// A value of the right type that is out of range.
    OutOfRange {
        /// The key.
        key: String,
        /// The value that was found.
        found: String,
        /// The range that was expected.
        expected: String,
    },
    /// An override without a key or without an equals sign.
    MalformedOverride,
    /// The value of an override starts like a quoted string, an array or a table and does not end like one.
    MalformedValue(String),
    /// An override leads through a value that has no keys.
    NotATable {
        /// The key of that value.
        key: String,
        /// What it is.
        found: String,
    },
    /// An override names an entry that an array does not have.
    NoSuchEntry {
        /// The key of the array.
        key: String,
        /// The index, as written.
        index: String,
        /// How many entries the array has.
        entries: usize,
    },
    /// Whatever else a type demands of its value.
    Other {
        /// The key; empty for the whole config.
        key: String,
        /// The demand.
        message: String,
    },
}

impl ConfigError {
    pub(crate) fn invalid(place: Place, problem: Problem) -> Self {
        Self::Invalid { place: Box::new(place), problem: Box::new(problem) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column, .. } => write!(formatter, "{}:{line}:{column}", printable(name)),
            Self::Override(argument) => write!(formatter, "--set {}", printable(argument)),
        }
    }
}

impl Place {
    /// The lines that show the offending line with carets under the part that is meant; nothing for an override.
    fn excerpt(&self) -> String {
        let Self::File { line, column, excerpt, .. } = self else { return String::new() };
        let margin = self.margin();
        let Shown { text, indent, carets } = excerpt.shown(*column);
        format!("\n{margin}|\n{line} | {text}\n{margin}| {indent}{carets}")
    }

    /// The value at this place with quotes, as it has to be written; nothing if the place is more than a value.
    fn quoted(&self) -> Option<String> {
        match self {
            Self::File { column, excerpt, .. } => Some(format!("{:?}", excerpt.meant(*column))),
            Self::Override(argument) => {
                let (key, value) = argument.split_once('=')?;
                let is_value = !value.trim_start().starts_with(['[', '{']);
                // a shell takes the quotes away unless they are quoted themselves
                is_value.then(|| printable(&format!("--set '{}={:?}'", key.trim(), value.trim())).into_owned())
            }
        }
    }

    /// The blank in front of the bar or equals sign of the lines that have no line number.
    fn margin(&self) -> String {
        match self {
            Self::File { line, .. } => " ".repeat(line.to_string().len() + 1),
            Self::Override(_) => "  ".to_owned(),
        }
    }
}

/// A line as a terminal may show it, and what stands below it.
struct Shown {
    text: String,
    indent: String,
    carets: String,
}

impl Excerpt {
    /// The part of the line around `column`, which is counted from 1.
    fn shown(&self, column: usize) -> Shown {
        let length = self.line.chars().count();
        let start = if length > LONGEST_EXCERPT { (column - 1).saturating_sub(BEFORE_MEANT) } else { 0 };
        let mut shown = Shown { text: String::new(), indent: String::new(), carets: String::new() };
        if start > 0 {
            shown.text.push('…');
            shown.indent.push(' ');
        }
        let meant = column - 1..column - 1 + self.marked;
        for (position, character) in self.line.chars().enumerate().skip(start).take(LONGEST_EXCERPT) {
            let text = if character == '\t' { character.to_string() } else { as_shown(character) };
            let width = text.chars().count();
            shown.text.push_str(&text);
            if position < meant.start {
                // a tab stays a tab, so that the carets stand under the same column however wide the terminal shows it
                shown.indent.push_str(&if character == '\t' { text } else { " ".repeat(width) });
            } else if meant.contains(&position) {
                shown.carets.push_str(&"^".repeat(width));
            }
        }
        // what is meant may be the end of the line, where there is nothing
        let missing = (column - 1).saturating_sub(length);
        shown.indent.push_str(&" ".repeat(missing));
        if shown.carets.is_empty() {
            shown.carets.push('^');
        }
        if length > start + LONGEST_EXCERPT {
            shown.text.push('…');
        }
        shown
    }

    /// What is meant.
    fn meant(&self, column: usize) -> String {
        self.line.chars().skip(column - 1).take(self.marked).collect()
    }
}

fn as_shown(character: char) -> String {
    printable(character.encode_utf8(&mut [0; 4])).into_owned()
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&printable(&self.sentence()))
    }
}

impl Problem {
    /// The problem in one line, with whatever the config holds.
    fn sentence(&self) -> String {
        match self {
            Self::NotUtf8 => "not UTF-8 text".to_owned(),
            Self::Syntax(message) => format!("not valid TOML: {message}"),
            Self::DuplicateKey(key) => format!("duplicate key `{key}`"),
            Self::UnknownKey { key, nearest, .. } => {
                format!("unknown key `{key}`{}", question(nearest.as_deref()))
            }
            Self::MissingKey(key) => format!("missing key `{key}`"),
            Self::WrongType { key, found, expected, .. } | Self::OutOfRange { key, found, expected } => {
                format!("{} is {found}, expected {expected}", subject(key))
            }
            Self::UnknownName { key, found, nearest, .. } => {
                format!("{} is the unknown name `{found}`{}", subject(key), question(nearest.as_deref()))
            }
            Self::MalformedOverride => "expected `key.path=value`".to_owned(),
            Self::MalformedValue(message) => format!("the value is not valid TOML: {message}"),
            Self::NotATable { key, found } => format!("`{key}` is {found}, so it has no keys of its own"),
            Self::NoSuchEntry { key, index, entries: 0 } => {
                format!("`{key}` has no entry `{index}`, it is empty")
            }
            Self::NoSuchEntry { key, index, entries } => {
                format!("`{key}` has no entry `{index}`, expected 0 to {}", entries - 1)
            }
            Self::Other { key, message } => format!("{}: {message}", subject(key)),
        }
    }

    /// The line that lists what would have been valid, or says how to write it; nothing where there is no such line.
    fn notes(&self, place: &Place) -> String {
        let margin = place.margin();
        let (kind, valid) = match self {
            Self::UnknownKey { valid, .. } => ("keys", valid),
            Self::UnknownName { valid, .. } => ("names", valid),
            Self::WrongType { is_unquoted: true, .. } => {
                return place.quoted().map_or_else(String::new, |quoted| format!("\n{margin}= quote it: {quoted}"));
            }
            Self::NotUtf8
            | Self::Syntax(_)
            | Self::DuplicateKey(_)
            | Self::MissingKey(_)
            | Self::WrongType { is_unquoted: false, .. }
            | Self::OutOfRange { .. }
            | Self::MalformedOverride
            | Self::MalformedValue(_)
            | Self::NotATable { .. }
            | Self::NoSuchEntry { .. }
            | Self::Other { .. } => return String::new(),
        };
        if valid.is_empty() {
            return format!("\n{margin}= no {kind} are valid here");
        }
        let list: Vec<_> = valid.iter().map(|name| format!("`{name}`")).collect();
        format!("\n{margin}= valid {kind}: {}", list.join(", "))
    }
}

fn question(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(", did you mean `{nearest}`?"))
}

fn subject(key: &str) -> String {
    if key.is_empty() { "the config".to_owned() } else { format!("`{key}`") }
}
