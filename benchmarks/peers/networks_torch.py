"""The networks of `tinylsa_model::networks` in PyTorch, made from the description in a model file, with random weights.

They are torchvision's own modules where torchvision has them in the form that is asked for, and else built from PyTorch's
layers in the same way. As in the model files, the normalisation of the images is part of the network.
"""

import json

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

OWN = "tinycnn-lsa"


def described(path):
    """Kind and config of a model file."""
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["tinylsa"])
    return description["kind"], description["config"]


class Normalised(nn.Module):
    """A network behind the normalisation of its images."""

    def __init__(self, config, network):
        super().__init__()
        self.network = network
        for name in ("input_mean", "input_deviation"):
            self.register_buffer(name, torch.tensor(config[name]).reshape(1, -1, 1, 1))

    def forward(self, images):
        return self.network((images - self.input_mean) / self.input_deviation)


def conv_norm(inputs, outputs, side, stride=1):
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Padded(nn.Module):
    """Every second row and column, with channels of zeros beside the others."""

    def __init__(self, stride, more):
        super().__init__()
        self.stride, self.more = stride, more

    def forward(self, x):
        before = self.more // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.more - before))


class Block(nn.Module):
    def __init__(self, layers, around):
        super().__init__()
        self.layers, self.around = nn.ModuleList(layers), around

    def forward(self, x):
        inner = x
        for layer in self.layers[:-1]:
            inner = F.relu(layer(inner), inplace=True)
        return F.relu(self.layers[-1](inner) + self.around(x), inplace=True)


def resnet(config):
    stages, expansion = config["stages"], 4 if config["block"] == "bottleneck" else 1
    width = stages[0]["channels"]
    is_large = config["stem"] == "large"
    layers = [conv_norm(config["input"]["channels"], width, 7 if is_large else 3, 2 if is_large else 1), nn.ReLU(True)]
    if is_large:
        layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = width
    for index, stage in enumerate(stages):
        channels, outputs = stage["channels"], stage["channels"] * expansion
        for block in range(stage["blocks"]):
            stride = 2 if index > 0 and block == 0 else 1
            if expansion == 4:
                inner = [conv_norm(inputs, channels, 1), conv_norm(channels, channels, 3, stride)]
                inner.append(conv_norm(channels, outputs, 1))
            else:
                inner = [conv_norm(inputs, channels, 3, stride), conv_norm(channels, channels, 3)]
            if stride == 1 and inputs == outputs:
                around = nn.Identity()
            elif config["shortcut"] == "projection":
                around = conv_norm(inputs, outputs, 1, stride)
            else:
                around = Padded(stride, outputs - inputs)
            layers.append(Block(inner, around))
            inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, config["classes"])]
    return nn.Sequential(*layers)


def vgg(config):
    layers, inputs = [], config["input"]["channels"]
    side = min(config["input"]["height"], config["input"]["width"])
    for stage in config["stages"]:
        for channels in stage:
            layers.append(nn.Conv2d(inputs, channels, 3, padding=1))
            if config["batch_norm"]:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU(True))
            inputs = channels
        if side >= 2:
            layers.append(nn.MaxPool2d(2, 2))
            side //= 2
    layers += [nn.AdaptiveAvgPool2d(config["grid"]), nn.Flatten()]
    inputs *= config["grid"] ** 2
    for hidden in config["hidden"]:
        layers += [nn.Linear(inputs, hidden), nn.ReLU(True), nn.Dropout(config["dropout"])]
        inputs = hidden
    return nn.Sequential(*layers, nn.Linear(inputs, config["classes"]))


def vit(config):
    from torchvision.models import VisionTransformer

    patch, width = config["patch"], config["width"]
    side = config["input"]["height"]
    network = VisionTransformer(
        side, patch, config["blocks"], config["heads"], width, config["mlp_width"], num_classes=config["classes"]
    )
    network.conv_proj = nn.Conv2d(config["input"]["channels"], width, patch, patch)
    return network


def swin(config):
    from torchvision.models import SwinTransformer

    patch, width, stages = config["patch"], config["width"], config["stages"]
    network = SwinTransformer(
        [patch] * 2,
        width,
        [stage["blocks"] for stage in stages],
        [stage["heads"] for stage in stages],
        [config["window"]] * 2,
        mlp_ratio=config["mlp_ratio"],
        stochastic_depth_prob=config["stochastic_depth"],
        num_classes=config["classes"],
    )
    network.features[0][0] = nn.Conv2d(config["input"]["channels"], width, patch, patch)
    return network


def mobilenet(config):
    from torchvision.models import mobilenet_v3_small

    network = mobilenet_v3_small(num_classes=config["classes"], dropout=config["dropout"])
    network.features[0][0] = nn.Conv2d(config["input"]["channels"], 16, 3, config["entry_stride"], 1, bias=False)
    return network


MAKERS = {"resnet": resnet, "vgg": vgg, "vit": vit, "swin": swin, "mobilenet-v3": mobilenet}


def network_of(path):
    """The network that a model file describes, with random weights."""
    kind, config = described(path)
    return Normalised(config, MAKERS[kind](config))
