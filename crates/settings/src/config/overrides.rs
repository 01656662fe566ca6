use toml::{Table, Value};

use super::document::Document;
use super::error::{ConfigError, Place, Problem};
use super::key_path::KeyPath;

/// One `--set key.path=value`.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The argument as it was written.
    argument: String,
    /// The key.
    path: KeyPath,
    /// The value.
    value: Value,
}

/// The file and the overrides merged into one tree of values, with the place that each of them comes from.
#[derive(Debug)]
pub(crate) struct Merged<'text> {
    /// The file.
    pub(crate) document: Document<'text>,
    /// What was set after it, in order.
    overrides: Vec<Override>,
    /// The values.
    tree: Table,
}

/// Which part of the place that a path leads to is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Override {
    /// Reads an argument of `--set`.
    pub(crate) fn parse(argument: &str) -> Result<Self, ConfigError> {
        let invalid = |problem| ConfigError::invalid(Place::Override(argument.to_owned()), problem);
        let (key, value) = argument.split_once('=').ok_or_else(|| invalid(Problem::MalformedOverride))?;
        let path = parse_key(key).ok_or_else(|| invalid(Problem::MalformedOverride))?;
        let value = parse_value(value.trim()).map_err(|message| invalid(Problem::MalformedValue(message)))?;
        Ok(Self { argument: argument.to_owned(), path, value })
    }

    /// Puts the value into `root`, together with the tables on the way to it that are not there yet.
    pub(crate) fn apply(&self, root: &mut Table) -> Result<(), ConfigError> {
        let segments = self.path.segments();
        let Some((first, rest)) = segments.split_first() else {
            return Err(self.invalid(Problem::MalformedOverride));
        };
        if rest.is_empty() {
            root.insert(first.clone(), self.value.clone());
            return Ok(());
        }
        let mut value = root.entry(first.as_str()).or_insert_with(|| Value::Table(Table::new()));
        for (depth, segment) in rest.iter().enumerate() {
            let is_last = depth + 1 == rest.len();
            value = self.step(value, depth + 1, segment, is_last)?;
        }
        *value = self.value.clone();
        Ok(())
    }

    /// The entry `segment` of `value`, which is the first `depth` segments of the path away from the root.
    fn step<'tree>(
        &self,
        value: &'tree mut Value,
        depth: usize,
        segment: &str,
        is_last: bool,
    ) -> Result<&'tree mut Value, ConfigError> {
        let key = self.path.first(depth).to_string();
        match value {
            Value::Table(table) => Ok(table
                .entry(segment)
                .or_insert_with(|| if is_last { self.value.clone() } else { Value::Table(Table::new()) })),
            Value::Array(array) => {
                let entries = array.len();
                let index: Option<usize> = segment.parse().ok();
                index
                    .and_then(|index| array.get_mut(index))
                    .ok_or_else(|| self.invalid(Problem::NoSuchEntry { key, index: segment.to_owned(), entries }))
            }
            _ => Err(self.invalid(Problem::NotATable { key, found: value.to_string() })),
        }
    }

    fn invalid(&self, problem: Problem) -> ConfigError {
        ConfigError::invalid(Place::Override(self.argument.clone()), problem)
    }
}

impl<'text> Merged<'text> {
    /// Sets `overrides` in the `tree` of `document`, one after the other.
    pub(crate) fn new(
        document: Document<'text>,
        mut tree: Table,
        overrides: Vec<Override>,
    ) -> Result<Self, ConfigError> {
        for setting in &overrides {
            setting.apply(&mut tree)?;
        }
        Ok(Self { document, overrides, tree })
    }

    /// The values.
    pub(crate) fn tree(&self) -> &Table {
        &self.tree
    }

    /// The value at `path`, if there is one.
    pub(crate) fn value(&self, path: &KeyPath) -> Option<&Value> {
        let (first, rest) = path.segments().split_first()?;
        rest.iter().try_fold(self.tree.get(first)?, |value, segment| match value {
            Value::Table(table) => table.get(segment),
            Value::Array(array) => array.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The place of `path`: the last override that set it or made a table on the way to it, otherwise the deepest part
    /// of it that the file has.
    pub(crate) fn place(&self, path: &KeyPath, part: Part) -> Place {
        let found = self.document.find(path);
        for setting in self.overrides.iter().rev() {
            let common = setting.path.common_depth(path);
            let is_set = common == setting.path.segments().len();
            let is_made = common > found.depth;
            if is_set || is_made {
                return Place::Override(setting.argument.clone());
            }
        }
        let is_there = found.depth == path.segments().len();
        self.document.place(if is_there && part == Part::Key { found.key } else { found.value })
    }
}

/// The segments of a dotted TOML key.
fn parse_key(key: &str) -> Option<KeyPath> {
    // a lone assignment to the key makes a tree with a single path, and no text can smuggle in a second line
    if key.contains(['\n', '\r', '#']) {
        return None;
    }
    let mut value = Value::Table(toml::from_str(&format!("{key} = true")).ok()?);
    let mut segments = Vec::new();
    while let Value::Table(table) = value {
        let (segment, entry) = table.into_iter().next()?;
        segments.push(segment);
        value = entry;
    }
    Some(KeyPath::new(segments))
}

/// The value of an override, or why it is none.
fn parse_value(text: &str) -> Result<Value, String> {
    match text.parse() {
        Ok(value) => Ok(value),
        Err(_) if !text.starts_with(['"', '\'', '[', '{']) => Ok(Value::String(text.to_owned())),
        Err(error) => Err(error.message().to_owned()),
    }
}
