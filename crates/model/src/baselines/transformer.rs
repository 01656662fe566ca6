use crate::baselines::BaselineInput;
use crate::cost::LayerCost;

/// Rows of the width `width`, for the attention padded to `padded_rows` in windows of `window` rows that attend to each
/// other.
struct Attending {
    rows: usize,
    padded_rows: usize,
    window: usize,
    width: usize,
}

impl Attending {
    /// One block: attention with its projections, then a feed-forward part four times as wide, each normalised first.
    /// `position_parameters` belong to the attention.
    fn push_block(&self, name: &str, position_parameters: usize, layers: &mut Vec<LayerCost>) {
        let Self { rows, padded_rows, window, width } = *self;
        let linear =
            |part: &str, rows, inputs, outputs| LayerCost::linear(&format!("{name}.{part}"), rows, inputs, outputs);
        layers.push(layer_norm(&format!("{name}.attention_norm"), rows, width));
        layers.push(linear("query_key_value", padded_rows, width, 3 * width));
        let products = 2 * padded_rows * window * width;
        layers.push(LayerCost::new(&format!("{name}.attention"), &[padded_rows, width], position_parameters, products));
        layers.push(linear("projection", padded_rows, width, width));
        layers.push(layer_norm(&format!("{name}.mlp_norm"), rows, width));
        layers.push(linear("expand", rows, width, 4 * width));
        layers.push(linear("contract", rows, 4 * width, width));
    }
}

fn layer_norm(name: &str, rows: usize, width: usize) -> LayerCost {
    LayerCost::new(name, &[rows, width], 2 * width, 0)
}

/// Patches of 16 × 16 and a class token, twelve blocks of width 768, a linear layer on the class token.
pub(super) fn vit_b16(input: &BaselineInput) -> Vec<LayerCost> {
    const PATCH: usize = 16;
    const WIDTH: usize = 768;
    let patches = (input.image_size / PATCH).pow(2);
    let tokens = patches + 1;
    let mut layers = vec![
        LayerCost::linear("patches", patches, PATCH * PATCH * input.channels, WIDTH),
        LayerCost::new("class_token", &[1, WIDTH], WIDTH, 0),
        LayerCost::new("positions", &[tokens, WIDTH], tokens * WIDTH, 0),
    ];
    let attending = Attending { rows: tokens, padded_rows: tokens, window: tokens, width: WIDTH };
    for block in 0..12 {
        attending.push_block(&format!("blocks.{block}"), 0, &mut layers);
    }
    layers.push(layer_norm("norm", tokens, WIDTH));
    layers.push(LayerCost::linear("head", 1, WIDTH, input.classes));
    layers
}

/// Patches of 4 × 4, four stages of attention in windows of 7 × 7 with a relative position bias, merging 2 × 2 patches
/// between the stages, the mean and a linear layer. A grid that windows do not fill is padded, as the paper has it.
pub(super) fn swin_t(input: &BaselineInput) -> Vec<LayerCost> {
    const PATCH: usize = 4;
    const WINDOW: usize = 7;
    let mut side = input.image_size / PATCH;
    let mut width = 96;
    let mut layers = vec![
        LayerCost::linear("patches", side * side, PATCH * PATCH * input.channels, width),
        layer_norm("patches_norm", side * side, width),
    ];
    for (stage, (blocks, heads)) in [(2, 3), (2, 6), (6, 12), (2, 24)].into_iter().enumerate() {
        if stage > 0 {
            side /= 2;
            layers.push(layer_norm(&format!("merges.{stage}.norm"), side * side, 4 * width));
            let weights = 4 * width * 2 * width;
            let merge = format!("merges.{stage}.reduction");
            layers.push(LayerCost::new(&merge, &[side * side, 2 * width], weights, side * side * weights));
            width *= 2;
        }
        let padded_rows = side.next_multiple_of(WINDOW).pow(2);
        let attending = Attending { rows: side * side, padded_rows, window: WINDOW * WINDOW, width };
        let bias_table = (2 * WINDOW - 1).pow(2) * heads;
        for block in 0..blocks {
            attending.push_block(&format!("stages.{stage}.{block}"), bias_table, &mut layers);
        }
    }
    layers.push(layer_norm("norm", side * side, width));
    layers.push(LayerCost::linear("head", 1, width, input.classes));
    layers
}
