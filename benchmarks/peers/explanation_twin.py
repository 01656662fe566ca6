"""What PyTorch and Captum find for the network of a run: the references of check_explanations.py."""

import numpy as np
import torch

from tinylsa_torch import TinyCnnLsa

BATCH_SIZE = 64

# Captum's names of the rules of integration, by ours. Its trapezoid is another rule, whose weights do not sum to 1.
CAPTUM_RULES = {"gauss-legendre": "gausslegendre", "midpoint": "riemann_middle", "right": "riemann_right"}


class TracedTwin(TinyCnnLsa):
    """The network with explicit attention matrices, which are recorded: the same function by way of A V."""

    def __call__(self, images):
        self.layers = []
        return super().__call__(images)

    def attend(self, queries, keys, values):
        attention = self.attention(queries, keys)
        self.layers.append(attention)
        return attention @ values


class TwinModule(torch.nn.Module):
    """The network as a module whose feature maps are a layer, for methods of Captum that look inside."""

    def __init__(self, model):
        super().__init__()
        self.model, self.last_stage = model, torch.nn.Identity()

    def forward(self, images):
        return self.model.scores_from(self.last_stage(self.model.features(images)))


class Twin:
    """The network of a model file in PyTorch. Images, baselines and results are numpy arrays."""

    def __init__(self, path):
        self.model, self.traced = TinyCnnLsa(path), TracedTwin(path)

    def logits(self, images):
        with torch.inference_mode():
            return torch.cat([self.model(batch) for batch in tensor(images).split(BATCH_SIZE)]).numpy()

    def input_gradient(self, image, target):
        return self.gradients(tensor(image)[None], target)[0].numpy()

    def gradients(self, images, target):
        images = images.clone().requires_grad_()
        return torch.autograd.grad(self.model(images)[:, target].sum(), images)[0]

    def integrated_gradients(self, image, baselines, target, rule, steps):
        """By Captum; the mean over baselines, each with its own number of steps."""
        from captum.attr import IntegratedGradients

        explainer = IntegratedGradients(self.model)
        found = [
            explainer.attribute(
                tensor(image)[None],
                tensor(baseline)[None],
                target=target,
                n_steps=int(count),
                method=CAPTUM_RULES[rule],
                internal_batch_size=BATCH_SIZE,
            )
            for baseline, count in zip(baselines, steps)
        ]
        return torch.cat(found).double().mean(dim=0).numpy()

    def grad_cam(self, image, target):
        """The map of the last feature maps by Captum, as coarse as they are."""
        from captum.attr import LayerGradCam

        module = TwinModule(self.model)
        found = LayerGradCam(module, module.last_stage).attribute(
            tensor(image)[None].requires_grad_(), target=target, relu_attributions=True
        )
        return found[0, 0].detach().numpy()

    def occlusion(self, image, replacement, target, window, strides):
        """By Captum, with windows over all channels."""
        from captum.attr import Occlusion

        channels = len(image)
        with torch.inference_mode():
            found = Occlusion(self.model).attribute(
                tensor(image)[None],
                sliding_window_shapes=(channels, *window),
                strides=(channels, *strides),
                baselines=tensor(replacement)[None],
                target=target,
                perturbations_per_eval=BATCH_SIZE,
            )
        # Captum gives every channel the value of the window
        return found[0, 0].numpy()

    def rise(self, image, replacement, target, masks, cells, probability, seed=0):
        """The mean and the standard error of what RISE averages, over masks of its own; as its authors draw them."""
        generator = torch.Generator().manual_seed(seed)
        height, width = image.shape[1:]
        sides = [-(-pixels // count) for pixels, count in zip((height, width), cells)]
        large = [(count + 1) * side for count, side in zip(cells, sides)]
        samples = []
        for start in range(0, masks, BATCH_SIZE):
            count = min(BATCH_SIZE, masks - start)
            grids = (torch.rand(count, 1, *cells, generator=generator) < probability).float()
            shown = torch.nn.functional.interpolate(grids, size=large, mode="bilinear", align_corners=False)
            offsets = torch.stack([torch.randint(0, side, (count,), generator=generator) for side in sides], dim=1)
            crops = [
                mask[:, top : top + height, left : left + width] for mask, (top, left) in zip(shown, offsets.tolist())
            ]
            shares = torch.stack(crops)
            images = shares * tensor(image) + (1 - shares) * tensor(replacement)
            with torch.inference_mode():
                scores = self.model(images)[:, target].double()
            samples.append(scores[:, None, None] * shares[:, 0].double() / probability)
        samples = torch.cat(samples)
        return samples.mean(dim=0).numpy(), (samples.std(dim=0) / len(samples) ** 0.5).numpy()

    def expected_gradients(self, image, background, target, steps=100):
        """What expected gradients estimate: the mean over the background of the integral, by the midpoint rule."""
        end, total = tensor(image), 0.0
        positions = (torch.arange(steps) + 0.5) / steps
        for start in tensor(background):
            images = start + positions[:, None, None, None] * (end - start)
            gradients = torch.cat([self.gradients(batch, target) for batch in images.split(BATCH_SIZE)])
            total = total + ((end - start) * gradients).double().mean(dim=0)
        return (total / len(background)).numpy()

    def coalition_values(self, image, hidden, segments, masks, target):
        """The logit of images whose segments outside the coalition show `hidden`."""
        members = torch.from_numpy(np.asarray(masks) > 0)
        labels = torch.from_numpy(np.asarray(segments, dtype=np.int64))
        found = []
        with torch.inference_mode():
            for rows in members.split(BATCH_SIZE):
                images = torch.where(rows[:, labels][:, None], tensor(image), tensor(hidden))
                found.append(self.model(images)[:, target].double())
        return torch.cat(found).numpy()

    def attention(self, image):
        """A of every layer, `[layers, heads, tokens, tokens]`."""
        with torch.inference_mode():
            self.traced(tensor(image)[None])
        return torch.cat(self.traced.layers).double().numpy()

    def gradient_rollout(self, image, target):
        """R - I after R <- R + (mean over heads of the positive part of dA * A) R (Chefer et al. 2021)."""
        # the weights carry no gradient: the image has to
        logits = self.traced(tensor(image)[None].requires_grad_())
        layers = self.traced.layers
        gradients = torch.autograd.grad(logits[0, target], layers)
        relevance = torch.eye(layers[0].shape[-1], dtype=torch.float64)
        for attention, gradient in zip(layers, gradients):
            weighted = (attention.double() * gradient.double()).clamp(min=0)[0].mean(dim=0).detach()
            relevance = relevance + weighted @ relevance
        return (relevance - torch.eye(len(relevance))).numpy()


def tensor(values):
    return torch.from_numpy(np.array(values, dtype=np.float32))
