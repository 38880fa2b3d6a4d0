"""What the Python peers share: how a photo becomes an input, and how an answer looks."""

import numpy as np
from PIL import Image

LABELS = ["bedroom", "bathroom", "balcony", "kitchen", "hall", "others"]


def pixels_of(file):
    """u8 [1, 299, 299, 3], as most would write it."""
    image = Image.open(file).convert("RGB").resize((299, 299), Image.BILINEAR)
    return np.asarray(image, np.uint8)[None]


def answer(logits):
    exps = np.exp(logits - logits.max())
    return dict(zip(LABELS, (exps / exps.sum()).tolist()))
