/// The path of a tensor inside a module, kept up to date while the module is visited.
#[derive(Debug, Default)]
pub struct ModulePath {
    names: Vec<String>,
}

impl ModulePath {
    /// To be called from `enter_module`.
    pub fn enter(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// To be called from `exit_module`.
    pub fn exit(&mut self) {
        self.names.pop();
    }

    /// The names joined by dots, such as `stages.0.entry.weight`.
    pub fn name(&self) -> String {
        self.names.join(".")
    }

    /// The tensor's own name, such as `weight`.
    pub fn last(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The name of the module that holds the tensor, such as `entry`.
    pub fn parent(&self) -> Option<&str> {
        self.names.iter().rev().nth(1).map(String::as_str)
    }
}
