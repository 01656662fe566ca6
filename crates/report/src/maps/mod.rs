//! Heat maps as pixel images: attributions, attention over the token grid, segments, and sheets of them.

mod colour;
mod contour;
mod layout;
mod matrix;
mod numbers;
mod panel;
mod scale;
mod sheet;
mod value_map;

pub use matrix::{MapMatrix, MatrixRow, MatrixScale};
pub use panel::Panel;
pub use scale::{AttentionScale, SharedScale};
pub use sheet::Sheet;
pub use value_map::ValueMap;
