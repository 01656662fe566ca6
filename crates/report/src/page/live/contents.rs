//! What the component shows of an image, as plain numbers.

/// An image with its attention and its maps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveContents {
    /// What a screen reader calls the component, such as "test-17: Coat".
    pub label: String,
    /// Channels, height and width of the image.
    pub shape: [usize; 3],
    /// Levels of the image, `[channels, height, width]`.
    pub pixels: Vec<u8>,
    /// Rows and columns of the tokens; 0 without attention.
    pub grid: [usize; 2],
    /// The attention of every layer, the first layer first.
    pub layers: Vec<LiveLayer>,
    /// Attention through all layers: rollout, flow.
    pub through: Vec<LiveMatrix>,
    /// A map of each method.
    pub maps: Vec<LiveMap>,
}

/// The attention of one layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveLayer {
    /// For each head `[tokens, tokens]`, row by row: what each token takes from each.
    pub heads: Vec<Vec<f64>>,
    /// The heads fused; empty where that is their mean.
    pub fused: Vec<f64>,
}

/// A matrix over tokens with a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveMatrix {
    /// Its name, letters and `-`.
    pub name: String,
    /// As people write it.
    pub title: String,
    /// `[tokens, tokens]`, row by row, numbers of at least 0.
    pub matrix: Vec<f64>,
}

/// The map of a method.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveMap {
    /// The name of the method, letters and `-`.
    pub name: String,
    /// As people write it.
    pub title: String,
    /// Completes "Shows …".
    pub shows: String,
    /// Completes "Does not show …".
    pub does_not_show: String,
    /// What the numbers count. Maps of one unit are drawn on one scale.
    pub unit: String,
    /// Whether numbers below 0 speak against.
    pub signed: bool,
    /// `[height, width]` of the image, row by row.
    pub values: Vec<f32>,
}
