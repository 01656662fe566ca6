"""Writes a model of torchvision with random weights, images, and its logits for them.

    python torchvision_case.py NETWORK FOLDER

leaves FOLDER/state.safetensors and FOLDER/case.safetensors (images from 0 to 1, logits). `crates/model/tests/model/torchvision.rs`
reads them. The forms for small images are those of `crates/model/src/networks`.
"""

import sys
from pathlib import Path

import torch
import torchvision.models as models
from safetensors.torch import save_file
from torch import nn

IMAGES = 4
LARGE = {"mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225], "shape": (3, 224, 224)}
SMALL = {"mean": [0.286], "deviation": [0.353], "shape": (1, 28, 28)}


def small_vgg():
    model = models.vgg19_bn(num_classes=10)
    layers = list(model.features)[:-1]
    layers[0] = nn.Conv2d(1, 64, 3, padding=1)
    model.features = nn.Sequential(*layers)
    model.avgpool = nn.AdaptiveAvgPool2d(1)
    model.classifier = nn.Sequential(nn.Linear(512, 10))
    return model


def small_resnet(make):
    model = make(num_classes=10)
    model.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def small_vit():
    model = models.VisionTransformer(28, 4, 12, 3, 192, 768, num_classes=10)
    model.conv_proj = nn.Conv2d(1, 192, 4, 4)
    return model


def small_swin():
    model = models.SwinTransformer([2, 2], 96, [2, 6], [3, 6], [7, 7], stochastic_depth_prob=0.2, num_classes=10)
    model.features[0][0] = nn.Conv2d(1, 96, 2, 2)
    return model


def small_mobilenet():
    model = models.mobilenet_v3_small(num_classes=10)
    model.features[0][0] = nn.Conv2d(1, 16, 3, padding=1, bias=False)
    return model


NETWORKS = {
    "vgg19": (models.vgg19, LARGE),
    "vgg19-bn": (models.vgg19_bn, LARGE),
    "resnet18": (models.resnet18, LARGE),
    "resnet50": (models.resnet50, LARGE),
    "vit-b16": (models.vit_b_16, LARGE),
    "swin-t": (models.swin_t, LARGE),
    "mobilenet-v3-small": (models.mobilenet_v3_small, LARGE),
    "vgg19-small": (small_vgg, SMALL),
    "resnet18-small": (lambda: small_resnet(models.resnet18), SMALL),
    "resnet50-small": (lambda: small_resnet(models.resnet50), SMALL),
    "vit-tiny-small": (small_vit, SMALL),
    "swin-small": (small_swin, SMALL),
    "mobilenet-v3-small-small": (small_mobilenet, SMALL),
}


def shaken(model):
    """Moves every weight, so that none is 0 or 1 and every layer matters."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            shake = torch.empty_like(tensor).uniform_(-0.05, 0.05)
            # a matrix keeps its scale
            size = tensor.std() if tensor.dim() > 1 and tensor.std() > 0 else 1.0
            tensor += shake.abs() if name.endswith("running_var") else shake * size


def main():
    name, folder = sys.argv[1], Path(sys.argv[2])
    torch.manual_seed(0)
    make, form = NETWORKS[name]
    model = make().eval()
    shaken(model)
    images = torch.rand(IMAGES, *form["shape"])
    mean, deviation = (torch.tensor(form[key]).reshape(1, -1, 1, 1) for key in ("mean", "deviation"))
    with torch.no_grad():
        logits = model((images - mean) / deviation)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "state.safetensors")
    save_file({"images": images, "logits": logits}, folder / "case.safetensors", {"case": ""})


main()
