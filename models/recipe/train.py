"""How the weights of version 7 were made, on a GPU with PyTorch.

    node models/recipe/plan.mjs PHOTOS SOURCES.csv > plan.json
    python3 models/recipe/train.py plan.json PHOTOS BASE.safetensors PREVIOUS.safetensors trained.safetensors
    retagger train --base trained.safetensors --labels bedroom,bathroom,balcony,kitchen,hall,others --head-epochs 0 --unfreeze none ...

Seven networks are trained on the same photos: one from `mixed8` up and three from `mixed4` up
(everything below keeps ImageNet's weights), three whole at a low rate. Six of them and version 6,
which counts twice, teach two more by their mean answer on ever new variants of the photos (Hinton et
al. 2015; Beyer et al. 2022, "a good teacher is patient and consistent"). These start from the mean of
the three whole networks' weights, and the mean of their own is the result. BASE is InceptionV3 on
ImageNet, BatchNorm folded, names as in src/inference/network/inceptionv3.ts; PREVIOUS is version 6. Needs
torch, numpy and Pillow; 10 minutes and 40 GiB on an H200.

No photo of the validation side is trained on.
"""

import io
import json
import math
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALF = torch.bfloat16
LABELS = 6
INPUT = 299
CANVAS = 320  # longest side of a photo, pixels
VARIANTS = 5
VARIANT_CHANCES = [0.5, 0.15, 0.12, 0.13, 0.1]
CHUNK = 8  # batches that are augmented, and shown to a teacher, at once


# --- photos -----------------------------------------------------------------


def jpeg(image, quality):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=int(quality))
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


def shrunk(image, longest, quality):
    """The photo as a small one would look, at its own size."""
    width, height = image.size
    scale = longest / max(width, height)
    if scale < 1:
        small = (max(8, round(width * scale)), max(8, round(height * scale)))
        image = image.resize(small, Image.LANCZOS)
    return jpeg(image, quality).resize((width, height), Image.BICUBIC)


def read_photo(job):
    """One photo as it is and made worse in four ways, on canvases; its size; and as it is served."""
    path, seed = job
    draw = np.random.default_rng(seed)
    image = Image.open(path).convert("RGB")
    image.thumbnail((CANVAS, CANVAS))
    width, height = image.size
    variants = [
        image,
        jpeg(image, draw.integers(20, 80)),
        shrunk(image, draw.uniform(100, 150), draw.integers(30, 92)),
        shrunk(image, draw.uniform(140, 230), draw.integers(30, 92)),
        jpeg(image, draw.integers(8, 30)),
    ]
    mode = "symmetric" if min(width, height) * 2 >= CANVAS else "edge"
    pad = ((0, CANVAS - height), (0, CANVAS - width), (0, 0))
    canvases = np.stack([np.pad(np.asarray(variant), pad, mode=mode) for variant in variants])
    served = np.asarray(image.resize((INPUT, INPUT), Image.LANCZOS))
    return canvases, (width, height), served


class Photos:
    """All photos on the device, uint8: canvases [n, variants, 3, 320, 320], served [n, 3, 299, 299]."""

    def __init__(self, folder, rows):
        n = len(rows)
        self.canvases = torch.empty((n, VARIANTS, 3, CANVAS, CANVAS), dtype=torch.uint8, device=DEVICE)
        self.served = torch.empty((n, 3, INPUT, INPUT), dtype=torch.uint8, device=DEVICE)
        sizes = np.zeros((n, 2), np.float32)
        jobs = [(os.path.join(folder, row["file"]), i) for i, row in enumerate(rows)]
        with ProcessPoolExecutor() as pool:
            for i, (canvases, size, served) in enumerate(pool.map(read_photo, jobs, chunksize=8)):
                self.canvases[i] = torch.from_numpy(canvases).to(DEVICE).movedim(-1, 1)
                self.served[i] = torch.from_numpy(served.copy()).to(DEVICE).movedim(-1, 0)
                sizes[i] = size
        self.sizes = torch.from_numpy(sizes).to(DEVICE)
        self.labels = torch.tensor([row["label"] for row in rows], device=DEVICE)


# --- weights: a dict of name -> float32 tensor --------------------------------


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        body = file.read()
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
        array = np.frombuffer(body[start:end], kind).reshape(entry["shape"]).astype(np.float32)
        tensor = torch.from_numpy(array).to(DEVICE)
        if tensor.dim() == 4:  # HWIO -> OIHW
            tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        weights[name] = tensor.t().contiguous() if tensor.dim() == 2 else tensor
    return weights


def write_safetensors(path, weights):
    header, blocks, offset = {}, [], 0
    for name, tensor in weights.items():
        tensor = tensor.detach().float()
        tensor = tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor.t() if tensor.dim() == 2 else tensor
        block = tensor.contiguous().cpu().numpy().astype(np.float16)
        header[name] = {
            "dtype": "F16",
            "shape": list(block.shape),
            "data_offsets": [offset, offset + block.nbytes],
        }
        offset += block.nbytes
        blocks.append(block.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(blocks))


def mean(models):
    return {name: sum(model[name] for model in models) / len(models) for name in models[0]}


def halved(weights):
    return {name: w.to(HALF) if name.startswith("conv") else w for name, w in weights.items()}


# --- network ------------------------------------------------------------------


class Network:
    """InceptionV3 from the plan's layer list; weights are passed in, so that several share one graph."""

    def __init__(self, layers):
        self.layers = layers
        self.names = [layer["name"] for layer in layers]
        self.depth = {}  # blocks between a weight and the head
        depth = 0
        for layer in reversed(layers):
            depth += layer["kind"] == "concat" and "_" not in layer["name"]
            for part in ("kernel", "bias"):
                self.depth[f"{layer['name']}/{part}"] = depth

    def above(self, cut):
        """Names of the weights after a layer; of all weights for None."""
        layers = self.layers if cut is None else self.layers[self.names.index(cut) + 1 :]
        trained = [layer["name"] for layer in layers if layer["kind"] in ("conv", "dense")]
        return [f"{name}/{part}" for name in trained for part in ("kernel", "bias")]

    def __call__(self, weights, x, start="input", stop="logits", dropout=0.0, linear=None):
        """`linear` names a convolution whose output before ReLU is returned."""
        outputs, running = {start: x}, start == "input"
        for layer in self.layers:
            name, kind, source = layer["name"], layer["kind"], layer["from"]
            if not running:
                running = name == start
                continue
            at = [outputs.get(s) for s in source] if isinstance(source, list) else outputs.get(source)
            same = layer.get("padding") == "same"
            if kind == "conv":
                padding = tuple((k - 1) // 2 for k in layer["kernel"]) if same else 0
                kernel, bias = (weights[f"{name}/{part}"].to(at.dtype) for part in ("kernel", "bias"))
                y = F.conv2d(at, kernel, bias, layer["stride"], padding)
                if name == linear:
                    return y
                y = F.relu(y, inplace=True)
            elif kind == "maxPool":
                y = F.max_pool2d(at, 3, layer["stride"], int(same))
            elif kind == "avgPool":
                y = F.avg_pool2d(at, 3, layer["stride"], int(same), count_include_pad=False)
            elif kind == "concat":
                y = torch.cat(at, 1)
            elif kind == "globalAveragePool":
                y = at.float().mean((2, 3))
            elif kind == "dense":
                y = F.linear(at, weights[f"{name}/kernel"].float(), weights[f"{name}/bias"].float())
                y = F.relu(y) if layer["relu"] else y
            else:
                y = F.dropout(at, dropout, True) if dropout > 0 else at
            outputs[name] = y
            if name == stop:
                return y
        return outputs[stop]


def scaled(pixels):
    return (pixels.float() / 127.5 - 1).to(HALF).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def initial(network, base, photos, train):
    """The base with what it lacks: random head, and two kernels scaled so that outputs are N(0, 1)."""
    draw = np.random.default_rng(1)
    he = lambda *shape: draw.standard_normal(shape) * math.sqrt(2 / np.prod(shape[:-1]))
    weights = dict(base)
    for name, (inputs, units) in {"dense": (2048, 256), "logits": (256, LABELS)}.items():
        weights[f"{name}/kernel"] = torch.tensor(he(inputs, units).T, dtype=torch.float32, device=DEVICE)
        weights[f"{name}/bias"] = torch.zeros(units, device=DEVICE)
    missing = [n for n in ("conv2d_82", "conv2d_91") if f"{n}/kernel" not in base]
    for name in missing:
        kernel = torch.tensor(he(3, 3, 448, 384), dtype=torch.float32, device=DEVICE)
        weights[f"{name}/kernel"] = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    x = scaled(photos.served[torch.as_tensor(draw.choice(train, min(256, len(train)), replace=False))])
    for name in missing:
        y = network(weights, x, linear=name).float()
        deviation = y.std((0, 2, 3)).clamp(min=1e-6)
        weights[f"{name}/kernel"] = weights[f"{name}/kernel"] / deviation.view(-1, 1, 1, 1)
        weights[f"{name}/bias"] = (weights[f"{name}/bias"] - y.mean((0, 2, 3))) / deviation
    return weights


# --- augmentation: x [n, 3, 299, 299], 0..255 ------------------------------------


def uniform(n, low, high, *dims):
    return (torch.rand(n, device=DEVICE) * (high - low) + low).view(-1, *dims)


def some(n, chance):
    return torch.randperm(n, device=DEVICE)[: np.random.binomial(n, chance)]


def meshes(x, chance):
    """
    Draws nets, grids and bars over some photos, whatever their label: most training balconies have
    safety nets or grilles, and those shall stand for no class.
    """
    chosen = some(len(x), chance)
    k = len(chosen)
    if k == 0:
        return x
    at = torch.arange(INPUT, device=DEVICE, dtype=torch.float32)
    down, across = torch.meshgrid(at, at, indexing="ij")
    value = lambda low, high: uniform(k, low, high, 1, 1)
    wave = lambda along: value(0, 6) * torch.sin(along * value(0.005, 0.03) + value(0, 6.3))
    u, v = across + wave(down), down + wave(across)
    kind = value(0, 1)
    diamond, mesh = kind < 0.4, kind < 0.7
    zero = torch.zeros_like(kind)
    angle = value(-0.12, 0.12) + torch.where(diamond, value(0.6, 1.0), zero)
    other = torch.where(diamond, -angle, angle + math.pi / 2)
    spacing = torch.exp(value(1.9, 3.9))
    thick = (spacing * value(0.03, 0.12)).clamp(0.5, 6)

    def lines(position, gap):
        off = torch.remainder(position + gap * value(0, 1), gap)
        return (thick / 2 - torch.minimum(off, gap - off) + 0.5).clamp(0, 1)

    first = lines(u * torch.cos(angle) + v * torch.sin(angle), spacing)
    second = lines(u * torch.cos(other) + v * torch.sin(other), spacing * value(0.7, 1.4))
    bars = torch.where(value(0, 1) < 0.5, first, lines(v * torch.cos(angle) - u * torch.sin(angle), spacing))
    mask = torch.where(mesh, torch.maximum(first, second), bars)
    # Over the whole photo, or on one side of an edge.
    turn = value(0, 2 * math.pi)
    edge = (across / INPUT - 0.5) * torch.cos(turn) + (down / INPUT - 0.5) * torch.sin(turn) + value(-0.1, 0.6)
    mask = (mask * (edge * 30).clamp(0, 1) * value(0.25, 0.95)).unsqueeze(1)
    tint = torch.rand(k, 3, 1, 1, device=DEVICE) * 60 - 30
    colour = (torch.rand(k, 1, 1, 1, device=DEVICE) * 255 + tint).clamp(0, 255)
    return x.index_copy(0, chosen, x[chosen] * (1 - mask) + colour * mask)


def blurred(x, chance):
    chosen = some(len(x), chance)
    if len(chosen) == 0:
        return x
    sigma = np.random.uniform(0.4, 2.0)
    radius = max(1, int(3 * sigma))
    at = torch.arange(-radius, radius + 1, device=DEVICE, dtype=x.dtype)
    kernel = torch.exp(-at * at / (2 * sigma * sigma))
    kernel = (kernel / kernel.sum()).repeat(3, 1, 1, 1)
    y = F.pad(x[chosen], (radius,) * 4, mode="reflect")
    with torch.backends.cudnn.flags(enabled=False):  # else it searches for the best way at every shape
        y = F.conv2d(F.conv2d(y, kernel, groups=3), kernel.transpose(2, 3), groups=3)
    return x.index_copy(0, chosen, y)


YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
TO_YIQ, FROM_YIQ = YIQ.to(DEVICE), torch.linalg.inv(YIQ).to(DEVICE)


def coloured(x):
    n = len(x)
    value = lambda low, high: uniform(n, low, high, 1, 1, 1)
    y = torch.einsum("ij,njhw->nihw", TO_YIQ, x)
    saturation = value(0.6, 1.4) * (value(0, 1) >= 0.1)  # one in ten is grey
    hue = value(-0.21, 0.21)
    i, q = y[:, 1:2] * saturation, y[:, 2:3] * saturation
    turned = [y[:, :1], i * torch.cos(hue) - q * torch.sin(hue), i * torch.sin(hue) + q * torch.cos(hue)]
    x = torch.einsum("ij,njhw->nihw", FROM_YIQ, torch.cat(turned, 1))
    gain = 1 + torch.rand(n, 3, 1, 1, device=DEVICE) * 0.24 - 0.12
    contrast = value(0.75, 1.25)
    return x * gain * contrast * value(0.75, 1.25) + 128 * (1 - contrast)


def erased(x, chance):
    """A rectangle of one colour over some photos."""
    n = len(x)
    value = lambda low, high: uniform(n, low, high, 1, 1)
    at = torch.arange(INPUT, device=DEVICE, dtype=torch.float32)
    across = (at.view(1, 1, -1) - value(0, INPUT)).abs() < value(15, 70)
    down = (at.view(1, -1, 1) - value(0, INPUT)).abs() < value(15, 70)
    inside = (across & down & (value(0, 1) < chance)).unsqueeze(1)
    return torch.where(inside, torch.rand(n, 3, 1, 1, device=DEVICE) * 255, x)


def augmented(photos, batch, options):
    n = len(batch)
    width, height = photos.sizes[batch].T
    variant = torch.from_numpy(np.random.choice(VARIANTS, n, p=VARIANT_CHANCES)).to(DEVICE)
    x = photos.canvases[batch, variant].float()
    area, aspect = uniform(n, 0.4, 1), torch.exp(uniform(n, -0.3, 0.3))
    w = (area * aspect).sqrt().clamp(max=1) * width
    h = (area / aspect).sqrt().clamp(max=1) * height
    left, top = uniform(n, 0, 1) * (width - w), uniform(n, 0, 1) * (height - h)
    flip = torch.where(uniform(n, 0, 1) < 0.5, -1.0, 1.0)
    turn = torch.where(uniform(n, 0, 1) < 0.25, uniform(n, -0.14, 0.14), torch.zeros(n, device=DEVICE))
    cos, sin = torch.cos(turn), torch.sin(turn)
    row = lambda a, b, c: torch.stack([a / CANVAS, b / CANVAS, c / CANVAS - 1], 1)
    matrix = torch.stack(
        [row(cos * w * flip, -sin * h, 2 * left + w), row(sin * w * flip, cos * h, 2 * top + h)], 1
    )
    grid = F.affine_grid(matrix, (n, 3, INPUT, INPUT), align_corners=False)
    x = F.grid_sample(x, grid, "bicubic", "reflection", align_corners=False).clamp(0, 255)
    x = coloured(blurred(meshes(x, 0.3), 0.15))
    if options["noise"] > 0:
        x = x + torch.randn_like(x) * (uniform(n, 0, 1, 1, 1, 1) < options["noise"]) * uniform(n, 2, 14, 1, 1, 1)
    x = x.clamp(0, 255)
    if options["erase"] > 0:
        x = erased(x, options["erase"])
    # One in eight as it is served.
    return scaled(torch.where(uniform(n, 0, 1, 1, 1, 1) < 0.125, photos.served[batch].float(), x))


def mixed(x, target):
    """Mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019), one each time in two."""
    other = torch.randperm(len(x), device=DEVICE)
    if np.random.rand() < 0.5:
        share = float(np.random.beta(0.4, 0.4))
        x = (x * share + x[other] * (1 - share)).contiguous(memory_format=torch.channels_last)
    else:
        side = int(INPUT * math.sqrt(1 - np.random.beta(1, 1)))
        left, top = np.random.randint(0, INPUT - side + 1, 2)
        x = x.clone()
        x[:, :, top : top + side, left : left + side] = x[other, :, top : top + side, left : left + side]
        share = 1 - side * side / INPUT / INPUT
    return x, target * share + target[other] * (1 - share)


# --- training -----------------------------------------------------------------


def sampler(rows, train, options):
    """
    Draws an epoch: of each class the geometric mean of its size and the smallest one's; photos of
    homes and sites count three times a scene's, those of large sites less, listed ones more.
    """
    draw = np.random.default_rng(options["seed"])
    label = np.array([row["label"] for row in rows])
    classes = [train[label[train] == k] for k in range(LABELS)]
    least = min(len(photos) for photos in classes)
    counts = [round(math.sqrt(least * len(photos))) for photos in classes]
    weights = []
    for photos in classes:
        chosen = [rows[i] for i in photos]
        groups, where, sizes = np.unique([r["group"] for r in chosen], return_inverse=True, return_counts=True)
        weight = sizes[where].astype(float) ** -options["spread"]
        scene = np.array([r["scene"] for r in chosen])
        if not scene.all():
            weight[scene] = weight[~scene].mean()
        listed = np.array([r["weight"] for r in chosen], float)
        listed = np.where(listed > 1, listed * options["listed"], 1)
        weights.append(weight * np.where(scene, 1, 3) * listed)

    def epoch():
        drawn = []
        for photos, weight, n in zip(classes, weights, counts):
            order = draw.permutation(len(photos))
            sums = np.cumsum(weight[order])
            at = (np.arange(n) + draw.random()) * sums[-1] / n
            drawn.append(photos[order[np.minimum(np.searchsorted(sums, at, "right"), len(photos) - 1)]])
        return torch.as_tensor(draw.permutation(np.concatenate(drawn)), device=DEVICE)

    return epoch


def ensemble(network, members):
    """
    Softmax of the weighted mean of the members' logits. A member is its weights, the layer up to which
    they are the base's (None: nowhere) and its share; what several have of the base is computed once.
    """
    members = [(halved(weights), cut, share) for weights, cut, share in members]
    cuts = sorted({cut for _, cut, _ in members if cut}, key=network.names.index)
    total = sum(share for *_, share in members)

    def answer(x):
        at = ("input", x)
        starts = {None: at}
        for cut in cuts:
            weights = next(weights for weights, c, _ in members if c == cut)
            at = starts[cut] = (cut, network(weights, at[1], start=at[0], stop=cut))
        logits = 0
        for weights, cut, share in members:
            z = network(weights, starts[cut][1], start=starts[cut][0])
            logits = logits + (z - z.mean(1, keepdim=True)) * (share / total)
        return F.softmax(logits, 1)

    return answer


DEFAULTS = {
    "cut": None,  # layer above which is trained; None: everything
    "epochs": 8,
    "batch": 64,
    "rate": 4e-4,
    "decay": 0.8,  # of the rate, a block downwards
    "constant": False,  # else half a cosine
    "average": 0.99,  # of the weights
    "clip": 1.0,  # of the gradient's norm; 0 for none
    "dropout": 0.5,
    "smoothing": 0.05,
    "teaching": 0.0,  # share of the teacher's answer in the target
    "mix": 0.0,  # share of batches with mixup or CutMix
    "erase": 0.0,
    "noise": 0.0,
    "spread": 0.5,
    "listed": 1.0,
    "seed": 1,
}


def train(network, photos, rows, indices, start, teacher=None, **given):
    """@returns the weights, averaged over the last steps."""
    options = {**DEFAULTS, **given}
    cut, batch = options["cut"], min(options["batch"], len(indices))
    torch.manual_seed(options["seed"])
    np.random.seed(options["seed"])
    names = network.above(cut)
    frozen = {name: w.to(HALF) for name, w in start.items() if name not in set(names)}
    trained = {name: start[name].clone().requires_grad_(True) for name in names}
    values = list(trained.values())
    # The head learns as fast as the last block.
    factors = [options["decay"] ** max(0, network.depth[name] - 1) for name in names]
    optimizer = torch.optim.AdamW(
        [{"params": [value], "factor": factor} for value, factor in zip(values, factors)],
        lr=options["rate"],
        betas=(0.9, 0.99),
        weight_decay=0,
        fused=DEVICE == "cuda",
    )
    average = [value.detach().clone() for value in values]
    epoch = sampler(rows, indices, options)
    steps = max(1, round(len(epoch()) / batch / CHUNK)) * CHUNK
    warmup = max(1, int(0.3 * steps))
    began, step, smoothing, loss = time.time(), 0, options["smoothing"], None
    for _ in range(options["epochs"]):
        drawn = epoch()
        # Whole chunks only: some photos twice, or the last ones not.
        drawn = torch.cat([drawn, drawn])[: steps * batch]
        for chosen in drawn.split(CHUNK * batch):
            with torch.no_grad():
                xs = augmented(photos, chosen, options)
                targets = F.one_hot(photos.labels[chosen], LABELS) * (1 - smoothing) + smoothing / LABELS
                for i in range(0, len(chosen), batch):
                    if np.random.rand() < options["mix"]:
                        part = slice(i, i + batch)
                        xs[part], targets[part] = mixed(xs[part], targets[part])
                if teacher:
                    targets = targets * (1 - options["teaching"]) + teacher(xs) * options["teaching"]
                if cut:
                    xs = network(frozen, xs, stop=cut)
            for x, target in zip(xs.split(batch), targets.split(batch)):
                cosine = 0.5 * (1 + math.cos(math.pi * step / (steps * options["epochs"])))
                rate = options["rate"] * min(1, (step + 1) / warmup) * (1 if options["constant"] else cosine)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["factor"]
                optimizer.zero_grad(set_to_none=True)
                logits = network({**frozen, **trained}, x, start=cut or "input", dropout=options["dropout"])
                loss = -(target * F.log_softmax(logits, 1)).sum(1).mean()
                loss.backward()
                if options["clip"] > 0:
                    torch.nn.utils.clip_grad_norm_(values, options["clip"], foreach=True)
                optimizer.step()
                step += 1
                keep = min(options["average"], (step + 1) / (step + 10))
                torch._foreach_lerp_(average, [value.detach() for value in values], 1 - keep)
    print(f"  loss {loss.item():.3f}, {step * batch / (time.time() - began):.0f} photos/s", flush=True)
    return {**start, **dict(zip(names, average))}


@torch.no_grad()
def accuracy(network, photos, weights, indices):
    weights, right = halved(weights), 0
    for i in range(0, len(indices), 256):
        part = torch.as_tensor(indices[i : i + 256], device=DEVICE)
        right += (network(weights, scaled(photos.served[part])).argmax(1) == photos.labels[part]).sum().item()
    return right / len(indices)


def main(plan, folder, base, previous, out):
    torch.backends.cudnn.benchmark = True
    with open(plan) as file:
        plan = json.load(file)
    rows = plan["photos"]
    quick = int(os.environ.get("TRY_EVERY", 0))  # to see that all of it runs: every n-th photo, one epoch
    rows = rows[::quick] if quick else rows
    photos, network = Photos(folder, rows), Network(plan["layers"])
    side = np.array([row["validation"] for row in rows])
    indices, validation = np.flatnonzero(~side), np.flatnonzero(side)
    base = initial(network, read_safetensors(base), photos, indices)

    def run(name, start, teacher=None, **options):
        options = {**options, "epochs": 1, "batch": 2} if quick else options
        print(name, flush=True)
        weights = train(network, photos, rows, indices, start, teacher, **options)
        print(f"  validation accuracy {accuracy(network, photos, weights, validation):.3f}", flush=True)
        return weights

    constant = {"constant": True, "epochs": 10}
    head = {**constant, "cut": "mixed8", "rate": 2e-4, "decay": 1, "average": 0.996, "clip": 0}
    upper = {**constant, "cut": "mixed4", "rate": 2e-4, "average": 0.997}
    whole = {**constant, "rate": 1.5e-4, "average": 0.998}
    fewer = {"listed": 0.4, "spread": 0.3}  # listed photos, and those of small homes, weigh less
    started = run("stage 1", base, **{**head, "rate": 3e-4, "average": 0.98, "epochs": 3})
    wholes = [
        run("whole", started, **whole, seed=11),
        run("whole, listed less, erased", started, **whole, **fewer, seed=12, erase=0.1),
        run("whole, mixed, noisy", started, **whole, seed=13, mix=0.2, noise=0.2),
    ]
    members = [
        (read_safetensors(previous), None, 2),
        (run("from mixed8, listed less", base, **head, **fewer, seed=2), "mixed8", 1),
        (wholes[1], None, 1),
        (wholes[2], None, 1),
        (run("from mixed4", started, **upper, seed=21), "mixed4", 1),
        (run("from mixed4, listed less", started, **upper, **fewer, seed=22), "mixed4", 1),
        (run("from mixed4, erased, noisy, mixed", started, **upper, seed=23, erase=0.1, noise=0.2, mix=0.2), "mixed4", 1),
    ]
    student = {
        **{"epochs": 28, "rate": 1.5e-4, "average": 0.995, "dropout": 0.3, "smoothing": 0, "teaching": 0.8},
        **{"mix": 0.25, "erase": 0.1},
    }
    teacher = ensemble(network, members)
    middle = mean(wholes)
    students = [run(f"student, seed {seed}", middle, teacher, **student, seed=seed) for seed in (1, 7)]
    result = mean(students)
    print(f"validation accuracy {accuracy(network, photos, result, validation):.3f}")
    write_safetensors(out, result)


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit("usage: train.py plan.json PHOTOS BASE.safetensors PREVIOUS.safetensors OUT.safetensors")
    main(*sys.argv[1:])
