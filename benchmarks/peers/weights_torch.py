"""The tensors of a network that is trained by run_torch.py: their shapes, how they begin, and how they lie in memory."""

import math

import torch

from trainable_torch import RUNNING


def block_shapes(name, width, attention):
    keys = attention["heads"] * attention.get("key_width", width // attention["heads"])
    shapes = norm_shapes(f"{name}.attention_norm", width)
    shapes |= linear_shapes(f"{name}.query_key_value", width, 2 * keys + width)
    if attention["gate"]:
        shapes |= linear_shapes(f"{name}.gate", width, width)
    if attention["local"]:
        shapes |= {f"{name}.local.weight": (1, 3, 3, width), f"{name}.local.bias": (width,)}
    shapes |= last_shapes(f"{name}.projection", width, width, attention)
    if hidden := attention["mlp_width"]:
        shapes |= norm_shapes(f"{name}.mlp_norm", width)
        shapes |= linear_shapes(f"{name}.expand", width, hidden)
        shapes |= last_shapes(f"{name}.contract", hidden, width, attention)
    return shapes


def last_shapes(name, inputs, outputs, attention):
    """The linear map that ends a branch."""
    scale = {f"{name}.scale": (outputs,)} if attention["branch_start"] == "zero-scales" else {}
    return linear_shapes(name, inputs, outputs) | scale


def norm_shapes(name, width):
    return {f"{name}.gamma": (width,), f"{name}.beta": (width,)}


def linear_shapes(name, inputs, outputs):
    return {f"{name}.weight": (inputs, outputs), f"{name}.bias": (outputs,)}


def residual_shapes(name, channels):
    return conv_shapes(f"{name}.first", channels, channels) | conv_shapes(f"{name}.second", channels, channels)


def conv_shapes(name, inputs, outputs):
    running = {f"{name}.{statistic}": (outputs,) for statistic in RUNNING}
    return {f"{name}.weight": (outputs, inputs, 3, 3)} | norm_shapes(name, outputs) | running


def weight_shapes(config):
    """The name and shape of every tensor of the network."""
    shapes, channels = {}, config["input"]["channels"]
    height, width = config["input"]["height"], config["input"]["width"]
    for index, stage in enumerate(config["stages"]):
        name = f"stages.{index}"
        shapes |= conv_shapes(f"{name}.entry", channels, stage["channels"])
        channels = stage["channels"]
        for block in range(stage["residual_blocks"]):
            shapes |= residual_shapes(f"{name}.residual.{block}", channels)
        divisor = stage["stride"] * (2 if stage["pool"] else 1)
        height, width = height // divisor, width // divisor
    if config["positions"]:
        shapes["positions"] = (height * width, channels)
    for block in range(config["attention"]["blocks"]):
        shapes |= block_shapes(f"blocks.{block}", channels, config["attention"])
    for block in range(config["closing_blocks"]):
        shapes |= residual_shapes(f"closing.{block}", channels)
    shapes |= norm_shapes("norm", channels) | linear_shapes("head", channels, config["classes"])
    if config["head"]["kind"] == "class-attention":
        key_width = config["head"]["key_width"]
        shapes |= linear_shapes("class_attention.keys", channels, key_width)
        shapes["class_attention.queries"] = (1, config["classes"], key_width)
    return shapes


def initial(name, shape, branch_start, generator):
    def normal(deviation):
        return deviation * torch.randn(shape, generator=generator, device=generator.device)

    kind = name.rpartition(".")[2]
    if kind == "running_variance" or kind == "gamma":
        return torch.zeros(shape) if name.endswith("second.gamma") else torch.ones(shape)
    if name.endswith(".local.weight"):
        return normal(1 / 3)
    if kind == "positions":
        return normal(0.02)
    ends_branch = name.rpartition(".")[0].endswith(("projection", "contract"))
    if kind != "weight" or (branch_start == "zero-weights" and ends_branch):
        return torch.zeros(shape)
    return normal(math.sqrt(2 / math.prod(shape[1:])) if len(shape) == 4 else math.sqrt(1 / shape[0]))


def is_filter_bank(name, shape):
    return len(shape) == 4 and not name.endswith(".local.weight")


class Layout:
    """All tensors of one kind in a row of memory, filters with their channels last."""

    def __init__(self, shapes):
        self.shapes, self.places, self.length = shapes, {}, 0
        for name, shape in shapes.items():
            self.places[name] = self.length
            self.length += math.prod(shape)

    def views(self, flat):
        views = {}
        for name, shape in self.shapes.items():
            values = flat[self.places[name] : self.places[name] + math.prod(shape)]
            if is_filter_bank(name, shape):
                outputs, inputs, height, width = shape
                views[name] = values.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
            else:
                views[name] = values.view(shape)
        return views

    def flattened(self, tensors):
        """Tensors of these shapes, in the order of the names, in one row."""
        last = [
            tensor.permute(0, 2, 3, 1) if is_filter_bank(name, shape) else tensor
            for (name, shape), tensor in zip(self.shapes.items(), tensors)
        ]
        return torch.cat([tensor.reshape(-1) for tensor in last])

    def constant(self, value_of, device):
        """A value for each tensor, spread over its elements."""
        parts = [torch.full((math.prod(shape),), float(value_of(name, shape))) for name, shape in self.shapes.items()]
        return torch.cat(parts).to(device)
