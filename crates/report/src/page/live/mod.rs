//! What makes a page live: hover a token, switch layer and head, set methods side by side.
//!
//! The parts of the component are plain ECMAScript modules. The page that explores serves them as they are; a report holds
//! them in one script, and the numbers of an image packed into an attribute.

mod bundle;
mod contents;
mod packed;

pub use bundle::{LiveModule, live_budget, live_modules};
pub(super) use bundle::{script, style};
pub use contents::{LiveContents, LiveLayer, LiveMap, LiveMatrix};
pub use packed::LiveImage;
