"""Augmentation and mixing of a whole epoch at once, as docs and configs describe them, with PyTorch's own random numbers.

Images are [count, height * width] levels from 0 to 1.
"""

import torch
import torch.nn.functional as F

CHUNK = 8192
ERASING_ATTEMPTS = 10
# the shapes of FMix: how fast amplitudes fall with the frequency, and the most waves across an image
FREQUENCY_DECAY = 3.0
MOST_WAVES = 4


def uniform(generator, *shape, least=0.0, largest=1.0):
    values = torch.rand(*shape, generator=generator, device=generator.device)
    return least + (largest - least) * values


def vary(levels, is_odd_epoch, side_of, settings, generator, height, width):
    """Every image varied by itself. `side_of` is a fixed bit of each image, for the alternating flip."""
    parts = zip(levels.split(CHUNK), side_of.split(CHUNK))
    return torch.cat([vary_chunk(part, side ^ is_odd_epoch, settings, generator, height, width) for part, side in parts])


def vary_chunk(levels, alternate, settings, generator, height, width):
    count, device = len(levels), levels.device
    if settings["rotation"] > 0 or settings["scaling"] > 0:
        levels = turned_and_scaled(levels, settings, generator, height, width)
    flipped = uniform(generator, count) < settings["flip_probability"]
    if settings["alternating_flip"]:
        flipped = alternate
    padding = settings["crop_padding"]
    top, left = (torch.randint(0, 2 * padding + 1, (count, 1), generator=generator, device=device) for _ in range(2))
    rows = torch.arange(height, device=device) + top - padding
    columns = torch.arange(width, device=device) + left - padding
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = torch.where(flipped[:, None], width - 1 - columns, columns)
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    varied = levels.gather(1, places.flatten(1)) * inside.flatten(1)
    if settings["light_probability"] > 0:
        lit = uniform(generator, count, 1) < settings["light_probability"]
        varied = torch.where(lit, in_other_light(varied, settings, generator), varied)
    return erased(varied, settings, generator, height, width)


def in_other_light(levels, settings, generator):
    count = len(levels)
    factor = 1 + uniform(generator, count, 1, least=-1) * settings["brightness"]
    power = (1 + settings["gamma"]) ** uniform(generator, count, 1, least=-1)
    levels = (factor * levels**power).clamp(0, 1)
    mean = levels.mean(dim=1, keepdim=True)
    left = 1 - uniform(generator, count, 1) * settings["contrast"]
    deviation = uniform(generator, count, 1) * settings["noise"]
    noise = torch.randn(levels.shape, generator=generator, device=levels.device)
    return (mean + left * (levels - mean) + deviation * noise).clamp(0, 1)


def turned_and_scaled(levels, settings, generator, height, width):
    count = len(levels)
    angle = uniform(generator, count, least=-1) * torch.pi / 180 * settings["rotation"]
    scale = 1 + uniform(generator, count, least=-1) * settings["scaling"]
    cosine, sine, zero = angle.cos() / scale, angle.sin() / scale, torch.zeros_like(angle)
    turn = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).reshape(count, 2, 3)
    grid = F.affine_grid(turn, (count, 1, height, width), align_corners=False)
    return F.grid_sample(levels.reshape(count, 1, height, width), grid, align_corners=False).flatten(1)


def rectangle(top, bottom, left, right, height, width):
    """Whether each pixel lies in the rectangle of its image, [count, height * width]."""
    rows, columns = (torch.arange(size, device=top.device) for size in (height, width))
    in_rows = (rows >= top[:, None]) & (rows < bottom[:, None])
    in_columns = (columns >= left[:, None]) & (columns < right[:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :]).flatten(1)


def erased(levels, settings, generator, height, width):
    count = len(levels)
    if settings["erasing_probability"] == 0:
        return levels
    least, largest = settings["erasing_area"]
    area = uniform(generator, count, ERASING_ATTEMPTS, least=least, largest=largest) * height * width
    least, largest = settings["erasing_aspect"]
    aspect = uniform(generator, count, ERASING_ATTEMPTS, least=least, largest=largest)
    tall, wide = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (tall > 0) & (wide > 0) & (tall <= height) & (wide <= width)
    first = fits.int().argmax(dim=1, keepdim=True)
    tall, wide, fits = (values.gather(1, first)[:, 0] for values in (tall, wide, fits))
    top = (uniform(generator, count) * (height - tall + 1)).floor()
    left = (uniform(generator, count) * (width - wide + 1)).floor()
    chosen = fits & (uniform(generator, count) < settings["erasing_probability"])
    inside = rectangle(top, top + tall, left, left + wide, height, width) & chosen[:, None]
    fill = {
        "zero": lambda: torch.zeros_like(levels),
        "mean": lambda: levels.mean(dim=1, keepdim=True).expand_as(levels),
        "random": lambda: uniform(generator, *levels.shape),
    }[settings["erasing_fill"]]()
    return torch.where(inside, fill, levels)


def mix(batches, settings, generator, height, width):
    """Mixes each image of [batches, size, pixels] with the next of its batch; returns images and the shares of the own
    labels, [batches, size]."""
    if settings["probability"] == 0:
        return batches, torch.ones(batches.shape[:2], device=batches.device)
    size = batches.shape[1]
    parts = [mix_chunk(part, settings, generator, height, width) for part in batches.split(max(CHUNK // size, 1))]
    return torch.cat([images for images, _ in parts]), torch.cat([shares for _, shares in parts])


def mix_chunk(batches, settings, generator, height, width):
    own, other = batches.flatten(0, 1), batches.roll(-1, dims=1).flatten(0, 1)
    count, pixels = own.shape
    concentration = torch.full((count,), settings["concentration"], device=own.device)
    # two gamma draws make a beta draw
    one, two = (torch._standard_gamma(concentration, generator=generator) for _ in range(2))
    share = torch.where(uniform(generator, count) < settings["probability"], one / (one + two), 1.0)
    kept, blended = share, share
    kind = settings["kind"]
    if kind == "fmix-or-mixup":
        is_shape = uniform(generator, count) < 0.5
        kept, blended = torch.where(is_shape, share, 1.0), torch.where(is_shape, 1.0, share)
    if kind in ("mixup", "fmix-or-mixup"):
        own = blended[:, None] * own + (1 - blended[:, None]) * other
        share = blended
    if kind in ("fmix", "fmix-or-mixup"):
        mask = low_frequency_mask(kept, generator, height, width)
        own = torch.where(mask, own, other)
        share = mask.float().mean(dim=1) if kind == "fmix" else blended * mask.float().mean(dim=1)
    if kind == "cutmix":
        side = (1 - share).sqrt()
        middle = [uniform(generator, count) * size for size in (height, width)]
        edges = [
            (edge + sign * size * side / 2).round().clamp(0, size)
            for edge, size in zip(middle, (height, width))
            for sign in (-1, 1)
        ]
        pasted = rectangle(*edges, height, width)
        own, share = torch.where(pasted, other, own), 1 - pasted.float().mean(dim=1)
    return own.reshape(batches.shape), share.reshape(batches.shape[:2])


def low_frequency_mask(share, generator, height, width):
    """The share of the pixels at which a random map of low frequencies is largest."""
    device = share.device
    waves = [
        (down, right)
        for down in range(MOST_WAVES + 1)
        for right in range(-MOST_WAVES, MOST_WAVES + 1)
        if down > 0 or right > 0
    ]
    down, right = torch.tensor(waves, dtype=torch.float32, device=device).T
    largest = max(height, width)
    amplitude = (largest * torch.hypot(down / height, right / width)) ** -FREQUENCY_DECAY
    rows, columns = (torch.arange(size, device=device) / size for size in (height, width))
    angle = 2 * torch.pi * (down[:, None, None] * rows[:, None] + right[:, None, None] * columns)
    basis = torch.cat([angle.cos(), angle.sin()]).flatten(1)
    draws = torch.randn(len(share), 2 * len(waves), generator=generator, device=device)
    levels = (draws * amplitude.repeat(2)) @ basis
    kept = (share * height * width).round().long()
    descending = levels.sort(dim=1, descending=True).values
    threshold = descending.gather(1, (kept - 1).clamp_min(0)[:, None])
    return (levels >= threshold) & (kept > 0)[:, None]
