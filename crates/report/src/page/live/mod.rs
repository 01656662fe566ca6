//! What makes a page live: modules for a browser, which the page that explores uses, too.

/// A file of the live component: its name, and its text.
pub type LiveModule = (&'static str, &'static str);

macro_rules! modules {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!($name))),+] };
}

/// The ECMAScript modules, each after those that it imports, and the style sheet.
const MODULES: &[LiveModule] = modules![
    "colours.js",
    "numbers.js",
    "elements.js",
    "map_canvas.js",
    "scale_bar.js",
    "token_rows.js",
    "token_view.js",
    "method_strip.js",
    "live.css",
];

/// The files that draw maps, follow a hovered token and set methods side by side, for pages that are served: plain
/// ECMAScript modules, which import each other by their names, and a style sheet.
pub fn live_modules() -> &'static [LiveModule] {
    MODULES
}
