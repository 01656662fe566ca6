use crate::config::{AttentionKind, TinyCnnLsaConfig};

/// What a network costs, layer by layer, in the order of the forward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// One entry a layer with weights, and one for the mixing of each attention block.
    pub layers: Vec<LayerCost>,
}

/// What one layer costs for one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCost {
    /// The layer's path, such as `stages.0.entry`.
    pub name: String,
    /// Shape of its output without the batch, channels last.
    pub output: Vec<usize>,
    /// Weights that training changes; running statistics are not among them.
    pub parameters: usize,
    /// Multiply-accumulate operations of convolutions and matrix products. Normalisation, activation, pooling and
    /// additions are not counted, as is the custom of the field.
    pub macs: usize,
}

impl Cost {
    /// Parameters of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiply-accumulate operations of all layers for one picture.
    pub fn macs(&self) -> usize {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

impl TinyCnnLsaConfig {
    /// Counts the parameters and the multiply-accumulate operations of the network that the config describes.
    pub fn cost(&self) -> Cost {
        let mut layers = Vec::new();
        self.push_stem(&mut layers);
        let (tokens, width) = (self.tokens(), self.width());
        layers.push(LayerCost::new("positions", &[tokens, width], tokens * width, 0));
        for block in 0..self.attention.blocks {
            self.push_block(&format!("blocks.{block}"), &mut layers);
        }
        layers.push(LayerCost::new("norm", &[tokens, width], 2 * width, 0));
        layers.push(LayerCost::linear("head", 1, width, self.classes));
        Cost { layers }
    }

    fn push_stem(&self, layers: &mut Vec<LayerCost>) {
        let mut resolution = self.image_size;
        let mut inputs = 1;
        for (index, stage) in self.stages.iter().enumerate() {
            resolution = resolution.div_ceil(stage.stride);
            let convolution = |name: String, inputs: usize| {
                let outputs = stage.channels;
                let weights = 9 * inputs * outputs;
                let shape = [resolution, resolution, outputs];
                LayerCost::new(&name, &shape, weights + 2 * outputs, resolution * resolution * weights)
            };
            layers.push(convolution(format!("stages.{index}.entry"), inputs));
            inputs = stage.channels;
            for block in 0..stage.residual_blocks {
                for half in ["first", "second"] {
                    layers.push(convolution(format!("stages.{index}.residual.{block}.{half}"), inputs));
                }
            }
            resolution = if stage.pool { resolution / 2 } else { resolution };
        }
    }

    fn push_block(&self, name: &str, layers: &mut Vec<LayerCost>) {
        let (tokens, width) = (self.tokens(), self.width());
        let hidden = self.attention.mlp_width;
        let norm = |part: &str| LayerCost::new(&format!("{name}.{part}"), &[tokens, width], 2 * width, 0);
        let linear =
            |part: &str, inputs, outputs| LayerCost::linear(&format!("{name}.{part}"), tokens, inputs, outputs);
        layers.push(norm("attention_norm"));
        layers.push(linear("query_key_value", width, 3 * width));
        layers.push(LayerCost::new(&format!("{name}.attention"), &[tokens, width], 0, self.mixing_macs()));
        layers.push(linear("projection", width, width));
        layers.push(norm("mlp_norm"));
        layers.push(linear("expand", width, hidden));
        layers.push(linear("contract", hidden, width));
    }

    /// Multiply-accumulate operations of the mixing of one block.
    fn mixing_macs(&self) -> usize {
        let (tokens, width) = (self.tokens(), self.width());
        match self.attention.kind {
            // Σ φ(k) vᵀ, then its product with φ(q), and φ(q)·z.
            AttentionKind::Linear => 2 * tokens * width * (width / self.attention.heads) + tokens * width,
            // Q Kᵀ, then its product with V.
            AttentionKind::Softmax => 2 * tokens * tokens * width,
        }
    }
}

impl LayerCost {
    pub(crate) fn new(name: &str, output: &[usize], parameters: usize, macs: usize) -> Self {
        Self { name: name.to_owned(), output: output.to_vec(), parameters, macs }
    }

    pub(crate) fn linear(name: &str, rows: usize, inputs: usize, outputs: usize) -> Self {
        Self::new(name, &[rows, outputs], inputs * outputs + outputs, rows * inputs * outputs)
    }
}
