"""TinyCnnLsa in PyTorch, written from docs/model.md alone.

Reads a model.safetensors of a run; the description in the file's metadata says how to build the network.
"""

import json

import torch
import torch.nn.functional as F
from safetensors import safe_open

EPSILON = 1e-5
RELU_EPSILON = 1e-3
LARGEST_EXPONENT = 12
# How far below the largest value of a pooling window another one counts as equal to it, relative to max(|largest|, 1).
TIE_TOLERANCE = 1e-5


def shared_max_pool(x):
    """2x2 maximum pooling whose gradient is shared equally among the values that are tied with the largest."""
    if not x.requires_grad:
        return F.max_pool2d(x, 2)
    batch, channels, height, width = x.shape
    windows = x.reshape(batch, channels, height // 2, 2, width // 2, 2)
    values = windows.detach()
    largest = values.amax(dim=(3, 5), keepdim=True)
    tied = largest - values < TIE_TOLERANCE * largest.abs().clamp(min=1)
    shares = tied / tied.sum(dim=(3, 5), keepdim=True)
    # windows - values is 0 and carries the gradient
    pooled = largest + (shares * (windows - values)).sum(dim=(3, 5), keepdim=True)
    return pooled.reshape(batch, channels, height // 2, width // 2)


class TinyCnnLsa:
    """The network in evaluation: a function of images [batch, channels, height, width], 0 to 1, to logits.

    Images and logits are of the type `dtype`, in which everything is computed. While `training` is set, normalisations take
    the statistics of the batch, and the running ones move towards these by `norm_momentum`.
    """

    training = False
    norm_momentum = 0.1

    def __init__(self, path, dtype=torch.float32):
        with safe_open(path, framework="pt") as file:
            self.config = json.loads(file.metadata()["tinylsa"])["config"]
            self.weights = {name: file.get_tensor(name).to(dtype) for name in file.keys()}

    def __call__(self, images):
        return self.scores_from(self.features(images))

    def features(self, images):
        """The feature maps of the last stage, [batch, width, rows, columns]."""
        x = self.normalised(images)
        for index, stage in enumerate(self.config["stages"]):
            x = self.stage(x, f"stages.{index}", stage)
        return x

    def normalised(self, images):
        mean, deviation = (
            torch.tensor(self.config[name]).to(images.dtype).reshape(1, -1, 1, 1)
            for name in ("input_mean", "input_deviation")
        )
        return (images - mean) / deviation

    def scores_from(self, x):
        """The logits from the feature maps."""
        batch, width, self.rows, self.columns = x.shape
        x = x.permute(0, 2, 3, 1).reshape(batch, self.rows * self.columns, width)
        if self.config["positions"]:
            x = x + self.weights["positions"]
        for index in range(self.config["attention"]["blocks"]):
            x = self.block(x, f"blocks.{index}")
        x = self.layer_norm(self.closed(x), "norm")
        if self.config["head"]["kind"] == "mean":
            return self.linear(x.mean(dim=1), "head")
        return (self.class_attention(x) * self.linear(x, "head").transpose(1, 2)).sum(dim=2)

    def closed(self, x):
        """The tokens behind the residual blocks that follow the attention."""
        batch, tokens, width = x.shape
        x = x.reshape(batch, self.rows, self.columns, width).permute(0, 3, 1, 2)
        for index in range(self.config["closing_blocks"]):
            x = self.relu(self.residual_block(x, f"closing.{index}"))
        return x.permute(0, 2, 3, 1).reshape(batch, tokens, width)

    def class_attention(self, x):
        """How much each class counts each normalised token, [batch, classes, tokens]."""
        queries, keys = self.weights["class_attention.queries"], self.linear(x, "class_attention.keys")
        return torch.softmax(queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5, dim=2)

    def stage(self, x, name, stage):
        x = self.conv_norm(x, f"{name}.entry", stage["stride"])
        for index in range(stage["residual_blocks"]):
            x = self.residual_block(F.relu(x), f"{name}.residual.{index}")
        return F.relu(self.pool(x) if stage["pool"] else x)

    def residual_block(self, x, name):
        """Before its last rectifier."""
        hidden = self.relu(self.conv_norm(x, f"{name}.first", 1))
        return self.conv_norm(hidden, f"{name}.second", 1) + x

    def relu(self, x):
        return F.relu(x)

    def pool(self, x):
        return shared_max_pool(x)

    def conv_norm(self, x, name, stride):
        weight = self.weights
        x = F.conv2d(x, weight[f"{name}.weight"], stride=stride, padding=1)
        return F.batch_norm(
            x,
            weight[f"{name}.running_mean"],
            weight[f"{name}.running_variance"],
            weight[f"{name}.gamma"],
            weight[f"{name}.beta"],
            training=self.training,
            momentum=self.norm_momentum,
            eps=EPSILON,
        )

    def block(self, x, name):
        attention = self.config["attention"]
        normalised = self.layer_norm(x, f"{name}.attention_norm")
        queries, keys, values = self.split(self.linear(normalised, f"{name}.query_key_value"))
        mixed = self.attend(queries, keys, values).transpose(1, 2).reshape(x.shape)
        if attention["local"]:
            mixed = mixed + self.local(values.transpose(1, 2).reshape(x.shape), f"{name}.local")
        if attention["gate"]:
            mixed = mixed * F.silu(self.linear(normalised, f"{name}.gate"))
        x = x + self.linear(mixed, f"{name}.projection")
        if attention["mlp_width"] == 0:
            return x
        hidden = F.gelu(self.linear(self.layer_norm(x, f"{name}.mlp_norm"), f"{name}.expand"))
        return x + self.linear(hidden, f"{name}.contract")

    def split(self, projected):
        """Queries, keys and values, [batch, heads, tokens, columns of a head] each."""
        batch, tokens, columns = projected.shape
        heads, width = self.config["attention"]["heads"], self.config["stages"][-1]["channels"]
        parts = projected.split([(columns - width) // 2, (columns - width) // 2, width], dim=2)
        return [part.reshape(batch, tokens, heads, -1).transpose(1, 2) for part in parts]

    def attention(self, queries, keys):
        """A of every head, [batch, heads, tokens, tokens], which the network itself never forms."""
        if self.config["attention"]["kind"] == "softmax":
            return torch.softmax(queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5, dim=3)
        similarity = self.feature_map(queries) @ self.feature_map(keys).transpose(2, 3)
        return similarity / similarity.sum(dim=3, keepdim=True)

    def attend(self, queries, keys, values):
        """A V of every head, [batch, heads, tokens, columns of a head]."""
        if self.config["attention"]["kind"] == "softmax":
            return F.scaled_dot_product_attention(queries, keys, values)
        queries, keys = self.feature_map(queries), self.feature_map(keys)
        numerator = queries @ (keys.transpose(2, 3) @ values)
        return numerator / (queries @ keys.sum(dim=2).unsqueeze(3))

    def local(self, values, name):
        """A 3x3 convolution of each column of the values on the token grid."""
        batch, tokens, width = values.shape
        grid = values.transpose(1, 2).reshape(batch, width, self.rows, self.columns)
        weight = self.weights[f"{name}.weight"].permute(3, 0, 1, 2)
        grid = F.conv2d(grid, weight, self.weights[f"{name}.bias"], padding=1, groups=width)
        return grid.reshape(batch, width, tokens).transpose(1, 2)

    def feature_map(self, x):
        name = self.config["attention"]["feature_map"]
        if name == "elu-plus-one":
            return F.elu(x) + 1
        if name == "sharp-exp":
            return torch.exp((2 * x).clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT))
        if name == "exp":
            return torch.exp(x.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT))
        return F.relu(x) + RELU_EPSILON if name == "relu" else F.softplus(x)

    def layer_norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{name}.gamma"], self.weights[f"{name}.beta"], EPSILON)

    def linear(self, x, name):
        return self.scaled(x @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], name)

    def scaled(self, x, name):
        """Multiplied by the scale of a layer that has one."""
        scale = self.weights.get(f"{name}.scale")
        return x if scale is None else x * scale
