"""Trains TinyCnnLsa in PyTorch for `cargo xtask bench train --peers`, see blocks.py.

A step is forward, loss, backward, clipping of the gradients, AdamW, and the average of the weights. The batch is made
beforehand: unlike ours, these steps pay nothing for loading and augmentation. Before anything is timed, the loss and the
gradient of every weight of the first step are compared with ours. The networks beside our own train with random weights and
are not compared: crates/model/tests/model/torchvision.rs has compared their logits.
"""

import argparse
import json

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from blocks import distance, require_same, serve, tell
from networks_torch import OWN, described, network_of
from trainable_torch import TrainableTinyCnnLsa

WARM_UP = 5
# Rounding moves units to the other side of their rectifier's kink. Against double precision PyTorch's gradients are up to 2e-3
# off at the first layers, ours, whose convolutions by Winograd round more, up to 8e-3.
GRADIENT_TOLERANCE = 2e-2


def make_step(model, network, batch, settings):
    images, labels = batch
    decayed = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    adamw = settings["optimizer"]["adamw"]
    optimizer = torch.optim.AdamW(
        [{"params": decayed}, {"params": others, "weight_decay": 0.0}],
        lr=adamw["learning_rate"],
        betas=(adamw["beta_1"], adamw["beta_2"]),
        eps=adamw["epsilon"],
        weight_decay=adamw["weight_decay"],
        fused=True,
    )
    weights = list(model.parameters())
    average = [weight.detach().clone() for weight in weights]
    longest = settings["gradient_norm"]

    def step(_batch_size):
        loss = F.cross_entropy(network(images), labels, label_smoothing=settings["label_smoothing"])
        loss.backward()
        if longest > 0:
            torch.nn.utils.clip_grad_norm_(weights, longest, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1.0 - settings["ema"]["decay"])

    return step


def compare(model, network, batch, ours, smoothing):
    """The largest distance of a gradient from ours."""
    images, labels = batch
    model.shares_ties = True
    loss = F.cross_entropy(model(images), labels, label_smoothing=smoothing)
    loss.backward()
    model.shares_ties = False
    require_same("the loss", distance(loss.detach(), ours["loss"][0]), 1e-4)
    differences = {name: distance(found, ours[f"gradient.{name}"]) for name, found in model.gradients().items()}
    for name, difference in differences.items():
        require_same(f"the gradient of {name}", difference, GRADIENT_TOLERANCE)
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        require_same("the logits as they are timed", distance(network(images), model(images)), 1e-4)
    return max(differences.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model.safetensors")
    parser.add_argument("--batch", required=True, help="safetensors with images, labels, loss and gradients")
    parser.add_argument("--training", required=True, help="JSON with the settings of the training")
    parser.add_argument("--variant", required=True, choices=["eager", "channels-last", "compile"])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--block-seconds", type=float, default=2.0)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    with open(arguments.training) as file:
        settings = json.load(file)
    ours = load_file(arguments.batch)
    images, labels = ours["images"], ours["labels"].long()
    kind, _ = described(arguments.model)
    is_own = kind == OWN
    model = TrainableTinyCnnLsa(arguments.model, settings["norm_momentum"]) if is_own else network_of(arguments.model)
    if arguments.variant != "eager":
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    network = torch.compile(model) if arguments.variant == "compile" else model
    batch = images, labels
    difference = compare(model, network, batch, ours, settings["label_smoothing"]) if is_own else None
    step = make_step(model, network, batch, settings)
    for _ in range(WARM_UP):
        step(len(images))
    tell(ready=f"torch {torch.__version__}", difference=difference)
    serve(step, arguments.block_seconds, least=3)


if __name__ == "__main__":
    main()
