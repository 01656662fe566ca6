"""One training run in PyTorch, from the tables `model` and `train` of a config, for sweeps on a graphics card.

Network, recipe and schedule are those of docs/model.md and of the config; initial weights, order and augmentation are
drawn by PyTorch. Images stay on the device, an epoch is varied at once, and a step is captured once as a CUDA graph:
forward, backward, clipping, Muon or AdamW and the average of the weights. On a CPU the same step runs as it is.
"""

import math
import time

import torch
import torch.nn.functional as F

from tinylsa_torch import TinyCnnLsa
from trainable_torch import RUNNING, TrainedFormula
from varied_torch import mix, vary
from weights_torch import Layout, initial, weight_shapes

EVALUATION_BATCH = 2500
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
STEPS_OF_A_GRAPH = 10


class Network(TrainedFormula):
    """Takes normalised images in channels-last order."""

    def __init__(self, config, weights, training, norm_momentum=0.1):
        self.config, self.weights, self.training, self.norm_momentum = config, weights, training, norm_momentum

    def normalised(self, images):
        return images

    def attend(self, queries, keys, values):
        with torch.autocast(values.device.type, enabled=False):
            return super().attend(queries.float(), keys.float(), values.float())

    def class_attention(self, x):
        with torch.autocast(x.device.type, enabled=False):
            return super().class_attention(x.float())


def is_orthogonalised(shape):
    return len(shape) >= 2 and shape[0] > 1 and math.prod(shape[1:]) > 1


class Orthogonaliser:
    """Newton-Schulz over all matrices at once, padded with zeros to the largest."""

    def __init__(self, layout, device):
        names = [name for name, shape in layout.shapes.items() if is_orthogonalised(shape)]
        sizes = [(layout.shapes[name][0], math.prod(layout.shapes[name][1:])) for name in names]
        rows, columns = max(min(size) for size in sizes), max(max(size) for size in sizes)
        # element `length` of the gradients is a zero
        source = torch.full((len(names), rows, columns), layout.length)
        target = torch.zeros(layout.length, dtype=torch.long)
        for index, (name, (height, width)) in enumerate(zip(names, sizes)):
            begin = layout.places[name]
            places = torch.arange(begin, begin + height * width).view(height, width)
            padded = index * rows * columns + torch.arange(rows * columns).view(rows, columns)
            wide = places if height <= width else places.T
            source[index, : wide.shape[0], : wide.shape[1]] = wide
            target[wide.flatten()] = padded[: wide.shape[0], : wide.shape[1]].flatten()
        self.source, self.target = source.to(device), target.to(device)

    def __call__(self, flat):
        x = torch.cat([flat, flat.new_zeros(1)])[self.source]
        x = x / (x.square().sum(dim=(1, 2), keepdim=True).sqrt() + 1e-7)
        first, third, fifth = QUINTIC
        for _ in range(ITERATIONS):
            gram = x @ x.transpose(1, 2)
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth), x, beta=first)
        return x.flatten()[self.target]


class Schedules:
    """Numbers of every step, on the device."""

    def __init__(self, train, steps_per_epoch, device):
        steps = train["epochs"] * steps_per_epoch
        adamw, ema, schedule = train["optimizer"]["adamw"], train["ema"], train["schedule"]
        done = torch.arange(1, steps + 1, dtype=torch.float64)
        warm_up = schedule["warmup_epochs"] * steps_per_epoch
        progress = ((done - warm_up) / max(steps - warm_up, 1)).clamp(0, 1)
        cosine = (1 + (math.pi * progress).cos()) / 2
        last = schedule["last_fraction"]
        fraction = torch.where(done <= warm_up, done / max(warm_up, 1e-9), last + (1 - last) * cosine)
        bias_1, bias_2 = 1 - adamw["beta_1"] ** done, 1 - adamw["beta_2"] ** done
        decay = (done / (ema["warmup"] + done - 1)).clamp(max=ema["decay"])
        self.rows = torch.stack([fraction, bias_1, bias_2, decay], dim=1).float().to(device)


class Run:
    """A network in training. `images` are [count, pixels] levels from 0 to 1 and `labels` their classes."""

    def __init__(self, model, train, seed, images, labels, teachers=(), reduced=False):
        self.model, self.train, self.images, self.labels = model, train, images, labels
        self.device = images.device
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.teachers, self.reduced = teachers, reduced
        self.size = train["batch_size"]
        self.steps_per_epoch = len(images) // self.size
        shape = model["input"]
        self.height, self.width = shape["height"], shape["width"]
        self.mean, self.deviation = model["input_mean"][0], model["input_deviation"][0]
        shapes = weight_shapes(model)
        self.trained = Layout({name: shape for name, shape in shapes.items() if not name.endswith(RUNNING)})
        self.running = Layout({name: shape for name, shape in shapes.items() if name.endswith(RUNNING)})
        self.flat = torch.zeros(self.trained.length, device=self.device)
        self.flat_running = torch.zeros(self.running.length, device=self.device)
        branch_start = model["attention"]["branch_start"]
        for layout, flat in ((self.trained, self.flat), (self.running, self.flat_running)):
            for name, view in layout.views(flat).items():
                view.copy_(initial(name, tuple(view.shape), branch_start, self.generator))
        self.average, self.average_running = self.flat.clone(), self.flat_running.clone()
        self.prepare_step()

    def prepare_step(self):
        optimizer, device = self.train["optimizer"], self.device
        adamw, muon = optimizer["adamw"], optimizer["muon"]
        by_muon = optimizer["kind"] == "muon"
        momentum = muon["momentum"] if by_muon else 0

        def is_muon(_, shape):
            return by_muon and is_orthogonalised(shape)

        def keep(name, shape):
            return momentum if is_muon(name, shape) else adamw["beta_1"]

        def decay(name, shape):
            if is_muon(name, shape):
                return muon["learning_rate"] * muon["weight_decay"]
            return adamw["learning_rate"] * adamw["weight_decay"] if len(shape) >= 2 else 0

        def size_of(name, shape):
            if not is_muon(name, shape):
                return adamw["learning_rate"]
            return muon["learning_rate"] * math.sqrt(max(1, shape[0] / math.prod(shape[1:])))

        self.is_muon = self.trained.constant(is_muon, device).bool()
        self.keep, self.decay = self.trained.constant(keep, device), self.trained.constant(decay, device)
        self.size_of = self.trained.constant(size_of, device)
        self.momentum, self.adamw = momentum, adamw
        self.orthogonaliser = Orthogonaliser(self.trained, device) if by_muon else None
        self.first, self.second = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.schedules = Schedules(self.train, self.steps_per_epoch, device)
        self.step_number = torch.zeros(1, dtype=torch.long, device=device)
        self.loss_sum = torch.zeros((), device=device)
        self.leaves = {name: view.detach().requires_grad_() for name, view in self.trained.views(self.flat).items()}
        weights = self.leaves | self.running.views(self.flat_running)
        self.network = Network(self.model, weights, True, self.train["norm_momentum"])
        pixels = self.height * self.width
        self.epoch_images = torch.zeros(self.steps_per_epoch, self.size, pixels, device=device)
        self.epoch_targets = torch.zeros(self.steps_per_epoch, self.size, self.model["classes"], device=device)
        self.graph = None

    def loss(self, images, targets):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced, cache_enabled=False):
            logits = self.network(images.view(-1, 1, self.height, self.width))
        return -(targets * F.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()

    def step(self):
        fraction, bias_1, bias_2, decay = self.schedules.rows.index_select(0, self.step_number)[0]
        place = self.step_number % self.steps_per_epoch
        loss = self.loss(self.epoch_images.index_select(0, place)[0], self.epoch_targets.index_select(0, place)[0])
        gradients = torch.autograd.grad(loss, list(self.leaves.values()))
        flat = self.trained.flattened(gradients)
        with torch.no_grad():
            if longest := self.train["gradient_norm"]:
                flat = flat * (longest / flat.norm().clamp_min(longest))
            self.first.mul_(self.keep).addcmul_(1 - self.keep, flat)
            self.second.lerp_(flat.square(), 1 - self.adamw["beta_2"])
            change = (self.first / bias_1) / ((self.second / bias_2).sqrt() + self.adamw["epsilon"])
            if self.orthogonaliser:
                direction = self.orthogonaliser(torch.lerp(flat, self.first, self.momentum))
                change = torch.where(self.is_muon, direction, change)
            self.flat.mul_(1 - fraction * self.decay).sub_(fraction * self.size_of * change)
            self.average.lerp_(self.flat, 1 - decay)
            self.average_running.lerp_(self.flat_running, 1 - decay)
            self.loss_sum += loss.detach()
            self.step_number += 1

    def capture(self):
        """Records some steps as one graph. What the first steps change is put back."""
        state = [self.flat, self.flat_running, self.average, self.average_running, self.first, self.second]
        state += [self.step_number, self.loss_sum]
        kept = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for _ in range(STEPS_OF_A_GRAPH):
                self.step()
        for tensor, value in zip(state, kept):
            tensor.copy_(value)

    def prepare_epoch(self, epoch):
        count = self.steps_per_epoch * self.size
        chosen = torch.randperm(len(self.images), generator=self.generator, device=self.device)[:count]
        if epoch == 0:
            self.side_of = torch.rand(len(self.images), generator=self.generator, device=self.device) < 0.5
        augmentation = self.train["augmentation"]
        levels = vary(
            self.images[chosen].float() / 255,
            epoch % 2 == 1,
            self.side_of[chosen],
            augmentation,
            self.generator,
            self.height,
            self.width,
        )
        shape = (self.steps_per_epoch, self.size)
        levels, shares = mix(levels.view(*shape, -1), self.train["mixing"], self.generator, self.height, self.width)
        classes = self.model["classes"]
        own = F.one_hot(self.labels[chosen].long(), classes).float().view(*shape, classes)
        targets = shares[..., None] * own + (1 - shares[..., None]) * own.roll(-1, dims=1)
        smoothing = self.train["label_smoothing"]
        targets = (1 - smoothing) * targets + smoothing / classes
        self.epoch_images.copy_(self.normalised(levels).view_as(self.epoch_images))
        if self.teachers:
            share = self.train["distillation"]["weight"]
            targets = torch.lerp(targets, self.taught().view_as(targets), share)
        self.epoch_targets.copy_(targets)

    def normalised(self, levels):
        """Levels from 0 to 1 as the network takes them, [count, 1, height, width]."""
        return ((levels - self.mean) / self.deviation).view(-1, 1, self.height, self.width)

    @torch.no_grad()
    def taught(self):
        """The mean of the teachers' probabilities for the images of the epoch."""
        parts = []
        for images in self.epoch_images.flatten(0, 1).view(-1, 1, self.height, self.width).split(EVALUATION_BATCH):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
                probabilities = [teacher(images).float().softmax(dim=1) for teacher in self.teachers]
            parts.append(torch.stack(probabilities).mean(dim=0))
        return torch.cat(parts)

    def epochs(self):
        """Trains, and yields the loss and the seconds of each epoch."""
        for epoch in range(self.train["epochs"]):
            started = time.perf_counter()
            self.prepare_epoch(epoch)
            if self.device.type == "cuda" and self.graph is None:
                self.capture()
            self.loss_sum.zero_()
            rest = self.steps_per_epoch
            while self.graph is not None and rest >= STEPS_OF_A_GRAPH:
                self.graph.replay()
                rest -= STEPS_OF_A_GRAPH
            for _ in range(rest):
                self.step()
            loss = self.loss_sum.item() / self.steps_per_epoch
            yield loss, time.perf_counter() - started

    def evaluated(self):
        """The network with averaged weights."""
        views = self.trained.views(self.average) | self.running.views(self.average_running)
        return Network(self.model, views, False)

    @torch.no_grad()
    def logits(self, images):
        network, parts = self.evaluated(), []
        for part in images.split(EVALUATION_BATCH):
            parts.append(network(self.normalised(part.float() / 255)).float())
        return torch.cat(parts)

    def state(self):
        """Every tensor of the averaged network, as model.safetensors names and shapes them."""
        return {name: tensor.contiguous().cpu() for name, tensor in self.evaluated().weights.items()}


class Teacher(Network):
    """A network from a file, on a device."""

    def __init__(self, path, device):
        TinyCnnLsa.__init__(self, path)
        weights = {name: tensor.to(device) for name, tensor in self.weights.items()}
        Network.__init__(self, self.config, weights, False)
