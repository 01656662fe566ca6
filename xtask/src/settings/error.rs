use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a config cannot be used. The text of [`ConfigError::Invalid`] has several lines and no line end after the last.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read the config {}", path.display())]
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
pub(crate) enum Place {
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
pub(crate) struct Excerpt {
    /// The line, without its end.
    pub(crate) line: String,
    /// How many characters are meant, from the column of the place on; at least one.
    pub(crate) marked: usize,
}

/// What is wrong with a config. Keys are full paths, such as `train.epochs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
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
            Self::File { name, line, column, .. } => write!(formatter, "{name}:{line}:{column}"),
            Self::Override(argument) => write!(formatter, "--set {argument}"),
        }
    }
}

impl Place {
    /// The lines that show the offending line with carets under the part that is meant; nothing for an override.
    fn excerpt(&self) -> String {
        let Self::File { line, column, excerpt, .. } = self else { return String::new() };
        let margin = self.margin();
        // a tab stays a tab, so that the carets stand under the same column however wide the terminal shows it
        let indent: String = excerpt.line.chars().chain(std::iter::repeat(' ')).take(column - 1).map(blank).collect();
        let carets = "^".repeat(excerpt.marked);
        format!("\n{margin}|\n{line} | {}\n{margin}| {indent}{carets}", excerpt.line)
    }

    /// The blank in front of the bar or equals sign of the lines that have no line number.
    fn margin(&self) -> String {
        match self {
            Self::File { line, .. } => " ".repeat(line.to_string().len() + 1),
            Self::Override(_) => "  ".to_owned(),
        }
    }
}

fn blank(character: char) -> char {
    if character == '\t' { '\t' } else { ' ' }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => formatter.write_str("not UTF-8 text"),
            Self::Syntax(message) => write!(formatter, "not valid TOML: {message}"),
            Self::DuplicateKey(key) => write!(formatter, "duplicate key `{key}`"),
            Self::UnknownKey { key, nearest, .. } => {
                write!(formatter, "unknown key `{key}`{}", question(nearest.as_deref()))
            }
            Self::MissingKey(key) => write!(formatter, "missing key `{key}`"),
            Self::WrongType { key, found, expected } | Self::OutOfRange { key, found, expected } => {
                write!(formatter, "{} is {found}, expected {expected}", subject(key))
            }
            Self::UnknownName { key, found, nearest, .. } => {
                write!(formatter, "{} is the unknown name `{found}`{}", subject(key), question(nearest.as_deref()))
            }
            Self::MalformedOverride => formatter.write_str("expected `key.path=value`"),
            Self::MalformedValue(message) => write!(formatter, "the value is not valid TOML: {message}"),
            Self::NotATable { key, found } => write!(formatter, "`{key}` is {found}, so it has no keys of its own"),
            Self::NoSuchEntry { key, index, entries: 0 } => {
                write!(formatter, "`{key}` has no entry `{index}`, it is empty")
            }
            Self::NoSuchEntry { key, index, entries } => {
                write!(formatter, "`{key}` has no entry `{index}`, expected 0 to {}", entries - 1)
            }
            Self::Other { key, message } => write!(formatter, "{}: {message}", subject(key)),
        }
    }
}

impl Problem {
    /// The line that lists what would have been valid; nothing where there is no such list.
    fn notes(&self, place: &Place) -> String {
        let (kind, valid) = match self {
            Self::UnknownKey { valid, .. } => ("keys", valid),
            Self::UnknownName { valid, .. } => ("names", valid),
            _ => return String::new(),
        };
        let margin = place.margin();
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
