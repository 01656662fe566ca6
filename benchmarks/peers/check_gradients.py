"""Compares gradients and Integrated Gradients with those of the same network in PyTorch, in double precision.

    for baseline in black white mean blur; do
        cargo xtask explain --index 0,1,2,3 --method input-gradient,integrated-gradients \\
            --set "explain.baseline.kinds=[\\"$baseline\\"]" --out gradients/$baseline
    done
    python3 benchmarks/peers/check_gradients.py --model runs/base/model.safetensors gradients/*/test-*/

Each folder holds the attributions.safetensors of one image. Integrated Gradients are summed over the nodes and weights of
the file, from its baselines, so that what is compared is the gradients and not the rule of integration. In flat regions of
an image or along a path from a flat baseline the values of a pooling window are equal: the twin shares their gradient as
docs/model.md says. What is left is the rounding of single precision. Exits with 1 if a map is off by more than the bar of
its largest value, or if there was nothing to compare.
"""

import sys

import numpy as np
import torch

from explanation_checks import Check, needing, parser_of, relative_error, report
from explanation_measures import read
from tinylsa_torch import TinyCnnLsa

BAR = 1e-4
BATCH_SIZE = 64
GRADIENT, PATHS = "input-gradient/attribution", "integrated-gradients/attribution"


def tensor(values):
    return torch.from_numpy(np.asarray(values, dtype=np.float64))


class DoubleTwin:
    """The network of a model file in double precision; results are numpy arrays."""

    def __init__(self, path):
        self.model = TinyCnnLsa(path, torch.float64)

    def gradients(self, images, target):
        """The gradient of the target's logit at each of some images."""
        found = []
        for batch in images.split(BATCH_SIZE):
            batch = batch.clone().requires_grad_()
            found += torch.autograd.grad(self.model(batch)[:, target].sum(), batch)
        return torch.cat(found)

    def input_gradient(self, subject):
        found = self.gradients(tensor(subject["image"])[None], subject["target"])[0]
        return relative_error(subject[GRADIENT], found.numpy())

    def integrated_gradients(self, subject):
        """The mean over the baselines of (x - b) sum_k w_k grad f(b + a_k (x - b))."""
        name = "integrated-gradients/"
        image, baselines = tensor(subject["image"]), tensor(subject[f"{name}baselines"])
        ends = np.cumsum(subject[f"{name}steps"])[:-1]
        paths = [np.split(subject[f"{name}{part}"], ends) for part in ("positions", "weights")]
        total = torch.zeros_like(image)
        for baseline, positions, weights in zip(baselines, *paths):
            difference = image - baseline
            images = baseline + tensor(positions)[:, None, None, None] * difference
            gradients = self.gradients(images, subject["target"])
            total += difference * torch.einsum("s,schw->chw", tensor(weights), gradients)
        return relative_error(subject[PATHS], (total / len(baselines)).numpy())


def kinds(subject):
    """What the paths of an image start from, such as "black"."""
    return "+".join(subject["settings"]["integrated-gradients"]["baseline"]["kinds"])


def checks_of(twin, subjects):
    """One check of the gradient, and one of Integrated Gradients for each baseline that occurs."""
    against = "PyTorch, f64"
    rows = [Check("input gradient", against, BAR, GRADIENT, needing([GRADIENT], twin.input_gradient))]

    def from_baseline(start):
        return needing([PATHS], lambda subject: twin.integrated_gradients(subject) if kinds(subject) == start else None)

    for start in sorted({kinds(subject) for subject in subjects if PATHS in subject}):
        rows.append(Check(f"Integrated Gradients from {start}", against, BAR, PATHS, from_baseline(start)))
    return rows


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("folders", nargs="+", help="folders with an attributions.safetensors")
    arguments = parser.parse_args()
    subjects = [read(folder) for folder in arguments.folders]
    checks = checks_of(DoubleTwin(arguments.model), subjects)
    sys.exit(report(checks, subjects, arguments))


if __name__ == "__main__":
    main()
