use crate::baselines::BaselineInput;
use crate::cost::LayerCost;

/// A convolution: side of its kernel, outputs, side of what it puts out.
struct Convolution {
    kernel: usize,
    outputs: usize,
    resolution: usize,
}

impl Convolution {
    /// `further` counts the parameters beside the kernel for each output: 1 for a bias, 2 for a batch normalisation.
    fn cost(&self, name: &str, inputs: usize, further: usize) -> LayerCost {
        let weights = self.kernel * self.kernel * inputs * self.outputs;
        let pixels = self.resolution * self.resolution;
        let shape = [self.resolution, self.resolution, self.outputs];
        LayerCost::new(name, &shape, weights + further * self.outputs, pixels * weights)
    }
}

/// Sixteen 3 × 3 convolutions with a pooling after each stage, three linear layers on 7 × 7 pooled values.
pub(super) fn vgg19(input: &BaselineInput) -> Vec<LayerCost> {
    let stages = [(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)];
    let mut layers = Vec::new();
    let mut inputs = input.channels;
    let mut resolution = input.image_size;
    for (stage, (outputs, convolutions)) in stages.into_iter().enumerate() {
        for index in 0..convolutions {
            let convolution = Convolution { kernel: 3, outputs, resolution };
            layers.push(convolution.cost(&format!("stages.{stage}.{index}"), inputs, 1));
            inputs = outputs;
        }
        resolution /= 2;
    }
    layers.push(LayerCost::linear("classifier.0", 1, 7 * 7 * inputs, 4096));
    layers.push(LayerCost::linear("classifier.1", 1, 4096, 4096));
    layers.push(LayerCost::linear("classifier.2", 1, 4096, input.classes));
    layers
}

/// A 7 × 7 convolution and a pooling, sixteen bottlenecks in four stages, the mean and a linear layer.
pub(super) fn resnet50(input: &BaselineInput) -> Vec<LayerCost> {
    let mut resolution = input.image_size / 2;
    let entry = Convolution { kernel: 7, outputs: 64, resolution };
    let mut layers = vec![entry.cost("entry", input.channels, 2)];
    let mut inputs = 64;
    resolution /= 2;
    for (stage, (width, blocks)) in [(64, 3), (128, 4), (256, 6), (512, 3)].into_iter().enumerate() {
        for block in 0..blocks {
            let strides = block == 0 && stage > 0;
            let after = if strides { resolution / 2 } else { resolution };
            let name = |part: &str| format!("stages.{stage}.{block}.{part}");
            let reduce = Convolution { kernel: 1, outputs: width, resolution };
            layers.push(reduce.cost(&name("reduce"), inputs, 2));
            let spatial = Convolution { kernel: 3, outputs: width, resolution: after };
            layers.push(spatial.cost(&name("spatial"), width, 2));
            let expand = Convolution { kernel: 1, outputs: 4 * width, resolution: after };
            layers.push(expand.cost(&name("expand"), width, 2));
            if block == 0 {
                layers.push(expand.cost(&name("shortcut"), inputs, 2));
            }
            inputs = 4 * width;
            resolution = after;
        }
    }
    layers.push(LayerCost::linear("head", 1, inputs, input.classes));
    layers
}
