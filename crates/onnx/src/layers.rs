//! The layers that several networks have. Maps have their channels first, as ONNX wants them; tokens have their width last.

use tinylsa_model::{ImageKeys, ImageShape};

use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Value, Window};

/// The name of what goes in.
pub(crate) const IMAGES: &str = "images";
/// The name of what comes out.
pub(crate) const LOGITS: &str = "logits";

/// A map of each image, `[batch, channels, height, width]`.
#[derive(Clone)]
pub(crate) struct Map {
    pub(crate) value: Value,
    pub(crate) shape: ImageShape,
}

impl Map {
    /// Another tensor of the same shape.
    pub(crate) fn with(&self, value: Value) -> Self {
        Self { value, shape: self.shape }
    }
}

impl GraphBuilder<'_> {
    /// The images that go in, less the mean of each channel and over its deviation.
    pub(crate) fn normalised_images(&mut self, keys: ImageKeys) -> Map {
        let shape = keys.input.unwrap_or(ImageShape { channels: 0, height: 0, width: 0 });
        let about = "values from 0 to 1, 0 is black; normalised inside the graph";
        let images = self.input(IMAGES, &shape.dims(), about);
        let mut of_channels = |name: &str, values: Option<Vec<f32>>| {
            let values = values.unwrap_or_default();
            self.floats(name, &[values.len(), 1, 1], &values)
        };
        let mean = of_channels("input_mean", keys.mean);
        let deviation = of_channels("input_deviation", keys.deviation);
        let centred = self.subtract("images.centred", &images, &mean);
        Map { value: self.divide("images.normalised", &centred, &deviation), shape }
    }

    /// A convolution with the tensors `weight`, and `bias` if there is one, below a name. The node has a name of its own.
    pub(crate) fn convolution(
        &mut self,
        tensors: &str,
        node: &str,
        x: &Map,
        [stride, padding]: [usize; 2],
    ) -> Result<Map, OnnxError> {
        let (weight, bias) = (format!("{tensors}.weight"), format!("{tensors}.bias"));
        let [channels, of_group, side, _] = self.shape(&weight)?;
        let weight = self.tensor(&weight)?;
        let bias = if self.has(&bias) { Some(self.tensor(&bias)?) } else { None };
        let inputs: Vec<&Value> = [&x.value, &weight].into_iter().chain(&bias).collect();
        let window = Window { side, stride, padding };
        let groups = x.shape.channels / of_group.max(1);
        let [height, width] = [x.shape.height, x.shape.width].map(|length| window.output(length));
        Ok(Map { value: self.conv(node, &inputs, window, groups), shape: ImageShape { channels, height, width } })
    }

    /// A convolution with as much padding as keeps the size at stride 1.
    pub(crate) fn same_convolution(
        &mut self,
        tensors: &str,
        node: &str,
        x: &Map,
        stride: usize,
    ) -> Result<Map, OnnxError> {
        let [_, _, side, _] = self.shape(&format!("{tensors}.weight"))?;
        self.convolution(tensors, node, x, [stride, side / 2])
    }

    /// Batch normalisation with the tensors below a name. The node has a name of its own.
    pub(crate) fn batch_norm(&mut self, tensors: &str, node: &str, x: &Map, epsilon: f64) -> Result<Map, OnnxError> {
        let mut tensor = |part: &str| self.tensor(&format!("{tensors}.{part}"));
        let (gamma, beta) = (tensor("gamma")?, tensor("beta")?);
        let (mean, variance) = (tensor("running_mean")?, tensor("running_variance")?);
        Ok(x.with(self.batch_normalization(node, [&x.value, &gamma, &beta, &mean, &variance], epsilon)))
    }

    /// A convolution without bias and its batch normalisation, as the compared networks name their tensors.
    pub(crate) fn normed_convolution(
        &mut self,
        name: &str,
        x: &Map,
        stride: usize,
        epsilon: f64,
    ) -> Result<Map, OnnxError> {
        let (convolution, norm) = (format!("{name}.convolution"), format!("{name}.norm"));
        let convolved = self.same_convolution(&convolution, &convolution, x, stride)?;
        self.batch_norm(&norm, &norm, &convolved, epsilon)
    }

    /// A rectifier.
    pub(crate) fn rectified(&mut self, name: &str, x: &Map) -> Map {
        x.with(self.relu(&format!("{name}.relu"), &x.value))
    }

    /// The maximum over windows of a map.
    pub(crate) fn pooled(&mut self, name: &str, x: &Map, window: Window) -> Map {
        let [height, width] = [x.shape.height, x.shape.width].map(|length| window.output(length));
        let value = self.max_pool(&format!("{name}.pool"), &x.value, window);
        Map { value, shape: ImageShape { height, width, ..x.shape } }
    }

    /// The mean of every channel of a map: `[batch, channels]`.
    pub(crate) fn mean_of_channels(&mut self, name: &str, x: &Map) -> Value {
        let mean = self.mean_of_map(&format!("{name}.mean"), &x.value);
        self.reshape(&format!("{name}.mean.flat"), &mean, &[0, x.shape.channels as i64])
    }

    /// A linear layer on the last dimension, with the tensors `weight`, `bias`, and perhaps `scale` below a name.
    pub(crate) fn linear(&mut self, tensors: &str, node: &str, x: &Value) -> Result<Value, OnnxError> {
        let scale = format!("{tensors}.scale");
        let scaled = self.has(&scale);
        let [product, biased] = ["product", "biased"].map(|part| format!("{node}.{part}"));
        let product = self.product(tensors, &product, x)?;
        let bias = self.tensor(&format!("{tensors}.bias"))?;
        let sum = self.add(if scaled { &biased } else { node }, &product, &bias);
        if !scaled {
            return Ok(sum);
        }
        let scale = self.tensor(&scale)?;
        Ok(self.multiply(node, &sum, &scale))
    }

    /// The product of a linear layer, without its bias.
    pub(crate) fn product(&mut self, tensors: &str, node: &str, x: &Value) -> Result<Value, OnnxError> {
        let weight = self.tensor(&format!("{tensors}.weight"))?;
        Ok(self.matmul(node, x, &weight))
    }

    /// Layer normalisation over the last dimension, with the tensors below a name, which is the node's, too.
    pub(crate) fn layer_norm(&mut self, name: &str, x: &Value, epsilon: f64) -> Result<Value, OnnxError> {
        let gamma = self.tensor(&format!("{name}.gamma"))?;
        let beta = self.tensor(&format!("{name}.beta"))?;
        Ok(self.layer_normalization(name, [x, &gamma, &beta], epsilon))
    }

    /// `x · Φ(x)`, with Φ of the normal distribution. Version 18 has no operator of it.
    pub(crate) fn gelu(&mut self, name: &str, x: &Value) -> Value {
        let part = |part: &str| format!("{name}.gelu.{part}");
        let scaled = self.divide_by(&part("scaled"), x, std::f64::consts::SQRT_2);
        let erf = self.erf(&part("erf"), &scaled);
        let twice = self.add_number(&part("twice"), &erf, 1.0);
        let product = self.multiply(&part("product"), x, &twice);
        self.multiply_by(&format!("{name}.gelu"), &product, 0.5)
    }

    /// Two linear layers with a GELU between them.
    pub(crate) fn perceptron(&mut self, [expand, contract]: [&str; 2], x: &Value) -> Result<Value, OnnxError> {
        let expanded = self.linear(expand, expand, x)?;
        let hidden = self.gelu(expand, &expanded);
        self.linear(contract, contract, &hidden)
    }

    /// A map as tokens, row by row: `[batch, height · width, channels]`.
    pub(crate) fn tokens_of(&mut self, name: &str, map: &Map) -> Value {
        let ImageShape { channels, .. } = map.shape;
        let rows = self.reshape(&format!("{name}.rows"), &map.value, &[0, channels as i64, map.shape.pixels() as i64]);
        self.transpose(&format!("{name}.tokens"), &rows, &[0, 2, 1])
    }

    /// Tokens as a map: the way back from [`GraphBuilder::tokens_of`].
    pub(crate) fn map_of(&mut self, name: &str, tokens: &Value, shape: ImageShape) -> Map {
        let rows = self.transpose(&format!("{name}.columns"), tokens, &[0, 2, 1]);
        let dims = shape.dims().map(|length| length as i64);
        let value = self.reshape(&format!("{name}.map"), &rows, &[0, dims[0], dims[1], dims[2]]);
        Map { value, shape }
    }

    /// `[batch, tokens, heads · columns]` to a matrix a head, `[batch, heads, tokens, columns]`, or with the last two
    /// exchanged.
    pub(crate) fn heads(&mut self, name: &str, x: &Value, heads: &Heads, columns: usize, exchanged: bool) -> Value {
        let &Heads { count, tokens } = heads;
        let apart = self.reshape(&format!("{name}.apart"), x, &[-1, tokens as i64, count as i64, columns as i64]);
        let order = if exchanged { [0, 2, 3, 1] } else { [0, 2, 1, 3] };
        self.transpose(&format!("{name}.heads"), &apart, &order)
    }

    /// The way back: `[batch, heads, tokens, columns]` to `[batch, tokens, heads · columns]`.
    pub(crate) fn joined_heads(&mut self, name: &str, x: &Value, heads: &Heads, columns: usize) -> Value {
        let &Heads { count, tokens } = heads;
        let beside = self.transpose(&format!("{name}.beside"), x, &[0, 2, 1, 3]);
        self.reshape(&format!("{name}.joined"), &beside, &[-1, tokens as i64, (count * columns) as i64])
    }

    /// `Q Kᵀ / √columns`, before the softmax: `[batch, heads, tokens, tokens]`.
    ///
    /// # Shapes
    /// - queries: `[batch, heads, tokens, columns]`
    /// - keys: `[batch, heads, columns, tokens]`
    pub(crate) fn scores(&mut self, name: &str, queries: &Value, keys: &Value, columns: usize) -> Value {
        let products = self.matmul(&format!("{name}.products"), queries, keys);
        self.divide_by(&format!("{name}.scores"), &products, (columns as f64).sqrt())
    }
}

/// How tokens are divided among heads.
#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) count: usize,
    pub(crate) tokens: usize,
}
