//! Rust source text, as far as the rules need to understand it.

/// The text with a space in place of every comment, string and character.
pub(crate) fn without_comments_and_literals(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let literal = || raw_string(rest).or_else(|| string(rest)).or_else(|| character(rest));
        if let Some(length) = comment(rest).or_else(literal) {
            code.push(' ');
            at += length;
        } else {
            code.push(text[at]);
            at += 1;
        }
    }
    code
}

/// The length of the comment that the text begins with.
fn comment(text: &[char]) -> Option<usize> {
    match text {
        ['/', '/', ..] => Some(text.iter().position(|&c| c == '\n').unwrap_or(text.len())),
        ['/', '*', ..] => {
            let mut depth = 1;
            let mut at = 2;
            while depth > 0 && at < text.len() {
                match text[at..] {
                    ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
                    ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
            }
            Some(at)
        }
        _ => None,
    }
}

fn raw_string(text: &[char]) -> Option<usize> {
    let rest = text.strip_prefix(&['r'])?;
    let hashes = rest.iter().take_while(|&&c| c == '#').count();
    let inside = rest[hashes..].strip_prefix(&['"'])?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = inside.windows(end.len()).position(|window| window == end)?;
    Some(1 + hashes + 1 + length + end.len())
}

fn string(text: &[char]) -> Option<usize> {
    let inside = text.strip_prefix(&['"'])?;
    let mut at = 0;
    while at < inside.len() && inside[at] != '"' {
        at += if inside[at] == '\\' { 2 } else { 1 };
    }
    Some(at + 2)
}

/// A lifetime is none.
fn character(text: &[char]) -> Option<usize> {
    match text {
        ['\'', '\\', _, rest @ ..] => rest.iter().position(|&c| c == '\'').map(|end| 3 + end + 1),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// The code without the items that only tests are built with.
pub(crate) fn without_tests(code: &str) -> String {
    const TEST: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, item)) = rest.split_once(TEST) {
        kept.push_str(before);
        rest = &item[item_length(item)..];
    }
    kept + rest
}

/// Bytes of the first item: up to the semicolon or the closing brace that ends it.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code.char_indices() {
        let after = &code[at + character.len_utf8()..];
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                // A brace before a semicolon is one of a `use`.
                if depth == 0 && !after.trim_start().starts_with(';') {
                    return code.len() - after.len();
                }
            }
            ';' if depth == 0 => return code.len() - after.len(),
            _ => {}
        }
    }
    code.len()
}

/// One name that a `use` brings into a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// Where it comes from, part by part, without the `*` of a glob.
    pub(crate) path: Vec<String>,
    /// What it is called in the file.
    pub(crate) name: String,
    /// Whether other files see it too, as by `pub use`.
    pub(crate) is_visible: bool,
}

/// A path or a lone identifier in the code beside the imports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Part by part.
    pub(crate) path: Vec<String>,
    /// Whether it is called, as `name(…)`.
    pub(crate) is_called: bool,
}

/// What the code of a file imports and mentions.
pub(crate) struct Code {
    pub(crate) imports: Vec<Import>,
    pub(crate) mentions: Vec<Mention>,
}

impl Code {
    pub(crate) fn of(text: &str) -> Self {
        let code = without_tests(&without_comments_and_literals(text));
        let mut imports = Vec::new();
        let mut body = String::new();
        let mut rest = code.as_str();
        while let Some(start) = keyword_use(rest) {
            let (before, tree) = (&rest[..start], &rest[start + "use".len()..]);
            let end = tree.find(';').unwrap_or(tree.len());
            body.push_str(before);
            let is_visible = ends_with_visibility(before);
            expand(&tree[..end], &mut |path, name| imports.push(Import { path, name, is_visible }));
            rest = tree[end..].strip_prefix(';').unwrap_or("");
        }
        body.push_str(rest);
        Self { imports, mentions: mentions(&body) }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where the first `use` of the code begins.
fn keyword_use(code: &str) -> Option<usize> {
    code.match_indices("use").map(|(at, _)| at).find(|&at| {
        let is_start = !code[..at].ends_with(is_word);
        // `use<'a>` in a bound is no import.
        is_start && code[at + "use".len()..].starts_with(char::is_whitespace)
    })
}

fn ends_with_visibility(code: &str) -> bool {
    let code = code.trim_end();
    let code = match code.strip_suffix(')') {
        Some(inside) => inside.rsplit_once('(').map_or("", |(before, _)| before),
        None => code,
    };
    code.ends_with("pub")
}

/// Every path of a `use`, and the name that it gets.
fn expand(tree: &str, found: &mut impl FnMut(Vec<String>, String)) {
    fn inner(prefix: &[String], tree: &str, found: &mut impl FnMut(Vec<String>, String)) {
        let tree = tree.trim();
        if let Some((before, group)) = tree.split_once('{') {
            let group = group.trim_end().strip_suffix('}').unwrap_or(group);
            let prefix = joined(prefix, before);
            for part in split_at_depth_0(group) {
                inner(&prefix, part, found);
            }
        } else if !tree.is_empty() {
            let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
            let mut path = joined(prefix, path);
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = alias.map(|alias| alias.trim().to_owned()).or_else(|| path.last().cloned()).unwrap_or_default();
            if name == "*" {
                path.pop();
            }
            found(path, name);
        }
    }
    inner(&[], tree, found);
}

fn joined(prefix: &[String], path: &str) -> Vec<String> {
    let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    prefix.iter().cloned().chain(parts).collect()
}

/// The parts between the commas that lie in no braces.
fn split_at_depth_0(group: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts
}

fn mentions(body: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut before = "";
    let mut rest = body;
    while let Some(start) = rest.find(is_word) {
        let gap = &rest[..start];
        let mut path = Vec::new();
        rest = &rest[start..];
        loop {
            let end = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
            path.push(rest[..end].to_owned());
            rest = &rest[end..];
            match rest.strip_prefix("::") {
                Some(next) if next.starts_with(is_word) => rest = next,
                Some(_) | None => break,
            }
        }
        // A field, a method, the end of a path that began with a type, the definition of a function, `pub(in …)`.
        let is_of_something = gap.ends_with('.') && !gap.ends_with("..") || gap.ends_with("::");
        let is_definition = before == "fn" || before == "in" && is_restriction(body, rest);
        let word = path.last().map_or(0, String::len);
        if !is_of_something && !is_definition {
            found.push(Mention { path, is_called: rest.starts_with('(') });
        }
        let end = body.len() - rest.len();
        before = &body[end - word..end];
    }
    found
}

/// Whether the path that ends before `rest` is that of a `pub(in …)`.
fn is_restriction(body: &str, rest: &str) -> bool {
    let before = &body[..body.len() - rest.len()];
    before.rsplit_once('(').is_some_and(|(public, path)| public.ends_with("pub") && path.starts_with("in "))
}
