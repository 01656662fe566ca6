"""Compares the logits of a run's model with those of the same network in PyTorch.

    cargo xtask evaluate --model runs/base/model.safetensors --logits logits.safetensors
    python3 benchmarks/peers/check_logits.py runs/base/model.safetensors logits.safetensors

Exits with 1 if the largest difference exceeds the tolerance, relative to the largest logit.
"""

import argparse
import sys

import torch
from safetensors.torch import load_file

from tinylsa_torch import TinyCnnLsa


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("logits", help="safetensors with the tensors images and logits")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    arguments = parser.parse_args()

    ours = load_file(arguments.logits)
    with torch.no_grad():
        theirs = TinyCnnLsa(arguments.model)(ours["images"])
    difference = ((ours["logits"] - theirs).abs().max() / theirs.abs().max()).item()
    same = (ours["logits"].argmax(1) == theirs.argmax(1)).float().mean().item()
    print(f"{len(theirs)} images: largest difference {difference:.2e} of the largest logit, {same:.2%} same class")
    sys.exit(0 if difference <= arguments.tolerance else 1)


if __name__ == "__main__":
    main()
