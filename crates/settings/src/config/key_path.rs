use std::fmt;

/// The path of a value in a config: the names of tables and keys, and the indices of array entries in decimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(Vec<String>);

impl KeyPath {
    /// The path with these segments.
    pub(crate) fn new(segments: Vec<String>) -> Self {
        Self(segments)
    }

    /// The path written as in [`crate::InvalidSetting`]: names joined by dots.
    pub(crate) fn from_dotted(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }

    /// The names and indices from the root down.
    pub(crate) fn segments(&self) -> &[String] {
        &self.0
    }

    /// The name or index of the value itself; the root has none.
    pub(crate) fn last(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// The path of the table or array around the value; the root's is the root.
    pub(crate) fn parent(&self) -> Self {
        let depth = self.0.len().saturating_sub(1);
        self.first(depth)
    }

    /// The path of the `depth`-th ancestor counted from the root.
    pub(crate) fn first(&self, depth: usize) -> Self {
        Self(self.0[..depth].to_vec())
    }

    /// The path of the entry `segment` of this value.
    pub(crate) fn child(&self, segment: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.into());
        Self(segments)
    }

    /// The path as it stands in front of a key below it: with a dot, unless it is the root.
    pub(crate) fn prefix(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("{self}.") }
    }

    /// How many leading segments this path has in common with `other`.
    pub(crate) fn common_depth(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).take_while(|(left, right)| left == right).count()
    }
}

impl From<&serde_path_to_error::Path> for KeyPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        let segment = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { variant } => Some(variant.clone()),
            Segment::Unknown => None,
        };
        Self(path.iter().map_while(segment).collect())
    }
}

impl fmt::Display for KeyPath {
    /// The path as it would be written after `--set`: a name that is no bare TOML key is quoted.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            if depth > 0 {
                formatter.write_str(".")?;
            }
            if is_bare(segment) {
                formatter.write_str(segment)?;
            } else {
                write!(formatter, "{segment:?}")?;
            }
        }
        Ok(())
    }
}

/// Whether TOML lets `key` stand without quotes.
fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
