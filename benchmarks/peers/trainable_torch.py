"""TinyCnnLsa in PyTorch as one would train it: a module with batch normalisation in training mode.

The formula is that of tinylsa_torch.py. Weights of linear layers are kept as PyTorch's own layers keep them, [out, in],
rectifiers work in place, and the pooling is PyTorch's own, which is what PyTorch is quickest with. That pooling gives the
gradient of equal values to the first of them; with `shares_ties` they share it, as the formula says.
"""

import torch
import torch.nn.functional as F
from torch import nn

from tinylsa_torch import EPSILON, TinyCnnLsa

RUNNING = ("running_mean", "running_variance")


def is_linear(name):
    return name.endswith(".weight") and not name.startswith(("stages.", "closing.")) and not name.endswith(".local.weight")


class TrainedFormula(TinyCnnLsa):
    """The formula with rectifiers that work in place, before the pooling."""

    shares_ties = False

    def stage(self, x, name, stage):
        x = self.relu(self.conv_norm(x, f"{name}.entry", stage["stride"]))
        for index in range(stage["residual_blocks"]):
            x = self.relu(self.residual_block(x, f"{name}.residual.{index}"))
        return self.pool(x) if stage["pool"] else x

    def pool(self, x):
        return super().pool(x) if self.shares_ties else F.max_pool2d(x, 2)

    def relu(self, x):
        return F.relu(x, inplace=True)

    def layer_norm(self, x, name):
        # a shape that does not depend on x can be exported
        gamma, beta = self.weights[f"{name}.gamma"], self.weights[f"{name}.beta"]
        return F.layer_norm(x, gamma.shape, gamma, beta, EPSILON)


class TrainableTinyCnnLsa(TrainedFormula, nn.Module):
    """Takes images [batch, 1, 28, 28], 0 black and 1 white; returns logits."""

    def __init__(self, path, norm_momentum=0.1):
        nn.Module.__init__(self)
        TinyCnnLsa.__init__(self, path)
        self.norm_momentum = norm_momentum
        state, self.weights = self.weights, {}
        for name, tensor in state.items():
            if name.endswith(RUNNING):
                self.register_buffer(name.replace(".", "_"), tensor)
                self.weights[name] = tensor
            else:
                tensor = tensor.t().contiguous() if is_linear(name) else tensor
                self.weights[name] = nn.Parameter(tensor)
                self.register_parameter(name.replace(".", "_"), self.weights[name])

    def forward(self, images):
        return TinyCnnLsa.__call__(self, images)

    __call__ = nn.Module.__call__

    def gradients(self):
        """The gradient of every weight, in the shape of model.safetensors."""
        trained = {name: weight for name, weight in self.weights.items() if not name.endswith(RUNNING)}
        return {name: weight.grad.t() if is_linear(name) else weight.grad for name, weight in trained.items()}

    def linear(self, x, name):
        return self.scaled(F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]), name)
