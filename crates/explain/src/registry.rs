//! The registered methods by name. `methods/mod.rs` lists them.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tinylsa_settings::{UsageError, printable};

use crate::method::{Method, MethodFacts, Registered};
use crate::methods::ENTRIES;
use crate::needs::Given;

/// Stands for every method in a list of names.
pub const ALL_METHODS: &str = "all";

/// A registered method. Methods are ordered as the registry lists them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodId(usize);

impl MethodId {
    /// Every method, in the order of the registry.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        (0..ENTRIES.len()).map(Self)
    }

    /// The identity of a type of settings.
    ///
    /// # Panics
    /// If the registry lacks it, which a test excludes for the methods of this crate.
    pub fn of<M: Registered>() -> Self {
        Self::named(M::FACTS.name).unwrap_or_else(|| panic!("{} is not registered", M::FACTS.name))
    }

    /// The method of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|method| method.name() == name)
    }

    /// What is known of the method whatever its settings.
    pub fn facts(self) -> &'static MethodFacts {
        ENTRIES[self.0].facts
    }

    /// The method with its default settings.
    pub fn with_defaults(self) -> Box<dyn Method> {
        (ENTRIES[self.0].default)()
    }

    /// The name in kebab-case.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The name as people write it.
    pub fn title(self) -> &'static str {
        self.facts().title
    }

    /// The name of the file with its drawing.
    pub fn file_name(self) -> String {
        format!("{}.png", self.name())
    }

    /// The methods that a list of names asks for, `all` among them, each once and in the order of the registry.
    ///
    /// # Errors
    /// [`UsageError`] with the nearest name for one that is unknown, and for an empty list.
    pub fn chosen(names: &[impl AsRef<str>]) -> Result<Vec<Self>, UsageError> {
        if names.iter().any(|name| name.as_ref() == ALL_METHODS) {
            return Ok(Self::all().collect());
        }
        let mut methods = names.iter().map(|name| name.as_ref().parse()).collect::<Result<Vec<Self>, _>>()?;
        if methods.is_empty() {
            return Err(UsageError("the list of methods is empty, expected at least one, or all".to_owned()));
        }
        methods.sort_unstable();
        methods.dedup();
        Ok(methods)
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for MethodId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for MethodId {
    type Err = UsageError;

    fn from_str(name: &str) -> Result<Self, UsageError> {
        Self::named(name).ok_or_else(|| {
            let names = || Self::all().map(Self::name).chain([ALL_METHODS]);
            let asked = name.to_lowercase();
            let likeness = |known: &str| strsim::jaro_winkler(known, &asked);
            let nearest = names().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
            let list: Vec<&str> = names().collect();
            UsageError(format!(
                "unknown method {}, did you mean {}? The methods are {}",
                printable(name),
                nearest.unwrap_or_default(),
                list.join(", ")
            ))
        })
    }
}

impl Serialize for MethodId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for MethodId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| D::Error::unknown_variant(&name, names()))
    }
}

/// The names of all methods.
pub(crate) fn names() -> &'static [&'static str] {
    static NAMES: std::sync::LazyLock<Vec<&'static str>> =
        std::sync::LazyLock::new(|| MethodId::all().map(MethodId::name).collect());
    &NAMES
}

impl Given {
    /// Those of some methods that it serves, and the names of the others.
    pub fn served(self, methods: &[MethodId]) -> (Vec<MethodId>, Vec<&'static str>) {
        let (served, others): (Vec<MethodId>, Vec<MethodId>) =
            methods.iter().copied().partition(|method| self.serves(method.facts().needs));
        (served, others.into_iter().map(MethodId::name).collect())
    }

    /// Refuses methods that it does not serve.
    ///
    /// # Errors
    /// [`UsageError`] names the first.
    pub fn require(self, methods: &[MethodId]) -> Result<(), UsageError> {
        match methods.iter().find(|method| !self.serves(method.facts().needs)) {
            Some(method) => {
                let what = method.facts().needs.describe();
                Err(UsageError(format!("{method} needs {what}, which the model does not give")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_xai::LimeConfig;

    use super::*;
    use crate::methods::FixedQueryConfig;

    #[test]
    fn names_are_unique_and_are_read_back() {
        for method in MethodId::all() {
            assert_eq!(method.name().parse::<MethodId>().unwrap(), method);
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
            assert_eq!(serde_json::from_value::<MethodId>(method.name().into()).unwrap(), method);
            assert_eq!(method.with_defaults().facts().name, method.name());
            method.with_defaults().validate().unwrap();
            assert!(method.facts().meaning.line().starts_with("Shows "), "{method}");
        }
    }

    #[test]
    fn a_list_names_methods_once_and_in_order() {
        let chosen = |names: &[&str]| MethodId::chosen(names);
        let expected = [MethodId::of::<FixedQueryConfig>(), MethodId::of::<LimeConfig>()];
        assert_eq!(chosen(&["lime", "fixed-query", "lime"]).unwrap(), expected);
        assert_eq!(chosen(&["lime", "all"]).unwrap(), MethodId::all().collect::<Vec<_>>());
        let error = chosen(&["kernelshap"]).unwrap_err().to_string();
        assert!(error.contains("did you mean kernel-shap?"), "{error}");
        for (asked, meant) in [
            ("LIME", "lime"),
            ("Lime", "lime"),
            ("KernelSHAP", "kernel-shap"),
            ("AttentionFlow", "attention-flow"),
            ("ALL", "all"),
        ] {
            let error = chosen(&[asked]).unwrap_err().to_string();
            assert!(error.contains(&format!("unknown method {asked}, did you mean {meant}?")), "{error}");
        }
        let hostile = chosen(&["\u{1b}[2J"]).unwrap_err().to_string();
        assert!(!hostile.contains('\u{1b}'), "{hostile}");
        assert!(chosen(&[]).is_err());
    }
}
