//! Which file of a crate needs which.
//!
//! A file needs the file that defines what it imports or names by a path, tests left out. A `mod` makes a file known, and a
//! `pub use` hands a name on: neither needs anything, unless the file itself uses the name that it hands on.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Code, Mention};

/// The path of a module in its crate, part by part.
type Module = Vec<String>;

struct Crate {
    modules: BTreeMap<Module, Code>,
    /// Where a name that a module hands on comes from.
    handed_on: BTreeMap<(Module, String), Vec<String>>,
}

/// The files that need each other in a circle, each the next and the last one the first, if there are such.
///
/// `files` are the paths below `src` with `/` between their parts, and their text.
pub(crate) fn circle(files: &[(String, String)]) -> Option<Vec<String>> {
    let names: BTreeMap<Module, &str> = files.iter().map(|(path, _)| (module(path), path.as_str())).collect();
    let needs = Crate::new(files).needs();
    let circle = first_circle(needs)?;
    Some(circle.iter().map(|module| names[module].to_owned()).collect())
}

fn module(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut parts: Module = path.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

impl Crate {
    fn new(files: &[(String, String)]) -> Self {
        let modules = files.iter().map(|(path, text)| (module(path), Code::of(text))).collect();
        let mut new = Self { modules, handed_on: BTreeMap::new() };
        for (module, code) in &new.modules {
            for import in code.imports.iter().filter(|import| import.is_visible) {
                if let Some(path) = new.absolute(module, &import.path) {
                    new.handed_on.insert((module.clone(), import.name.clone()), path);
                }
            }
        }
        new
    }

    /// The path from the root of the crate, of a path that begins with a module of it.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let (first, mut rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" => module.clone(),
            "super" => module.split_last()?.1.to_vec(),
            _ => {
                let child: Module = module.iter().chain([first]).cloned().collect();
                self.modules.contains_key(&child).then_some(child)?
            }
        };
        while let Some((_, further)) = rest.split_first().filter(|(first, _)| *first == "super") {
            base.pop()?;
            rest = further;
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The module that defines what lies at a path from the root of the crate.
    fn definer(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        // More steps than this are a circle of `pub use`, which the compiler refuses.
        for _ in 0..16 {
            let known = (0..=path.len()).rev().find(|&length| self.modules.contains_key(&path[..length]));
            let (module, rest) = path.split_at(known.unwrap_or(0));
            let Some((name, further)) = rest.split_first() else { return module.to_vec() };
            let Some(origin) = self.handed_on.get(&(module.to_vec(), name.clone())) else { return module.to_vec() };
            path = origin.iter().chain(further).cloned().collect();
        }
        path
    }

    fn needs(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let needs = |(module, code): (&Module, &Code)| {
            let imports = code.imports.iter().filter(|import| !import.is_visible);
            let imported = imports.filter_map(|import| self.absolute(module, &import.path));
            let named: BTreeSet<&str> =
                code.imports.iter().filter(|import| !import.is_visible).map(|import| import.name.as_str()).collect();
            let mentioned = code.mentions.iter().filter(|mention| !named.contains(mention.path[0].as_str()));
            let mentioned = mentioned.filter_map(|mention| self.mentioned(module, mention));
            let mut needed: BTreeSet<Module> = imported.chain(mentioned).map(|path| self.definer(&path)).collect();
            needed.remove(module);
            (module.clone(), needed)
        };
        self.modules.iter().map(needs).collect()
    }

    /// The path from the root of the crate of something that a module names.
    fn mentioned(&self, module: &Module, mention: &Mention) -> Option<Vec<String>> {
        let Mention { path, is_called } = mention;
        let name = &path[0];
        if self.handed_on.contains_key(&(module.clone(), name.clone())) {
            // A lone lower-case word may as well be a variable.
            let is_item = path.len() > 1 || *is_called || name.starts_with(char::is_uppercase);
            return is_item.then(|| module.iter().chain(path).cloned().collect());
        }
        if path.len() > 1 { self.absolute(module, path) } else { None }
    }
}

/// A circle of those who need each other.
fn first_circle(mut needs: BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    // Whoever needs nobody that is left is in no circle.
    loop {
        let left: BTreeSet<Module> = needs.keys().cloned().collect();
        let before = needs.len();
        needs.retain(|_, needed| {
            needed.retain(|module| left.contains(module));
            !needed.is_empty()
        });
        if needs.len() == before {
            break;
        }
    }
    let mut walked: Vec<Module> = vec![needs.keys().next()?.clone()];
    loop {
        let next = needs[walked.last()?].first()?;
        if let Some(start) = walked.iter().position(|module| module == next) {
            return Some(walked.split_off(start));
        }
        walked.push(next.clone());
    }
}
