"""Writes the bundled network as TensorFlow SavedModels, in float32 and in bfloat16.

Usage: saved-model.py LAYERS.json WEIGHTS.safetensors OUT
LAYERS.json is what src/inference/network/inceptionv3.ts describes; run.mjs writes it.
"""

import json
import struct
import sys

import numpy as np
import tensorflow as tf


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    types = {"F16": np.float16, "F32": np.float32}
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], types[entry["dtype"]])
        .reshape(entry["shape"])
        .astype(np.float32)
        for name, entry in header.items()
    }


class Network(tf.Module):
    def __init__(self, layers, weights, dtype):
        super().__init__()
        self.layers, self.dtype = layers, dtype
        self.weights = {name: tf.constant(w, dtype) for name, w in weights.items()}

    @tf.function(input_signature=[tf.TensorSpec([1, 299, 299, 3], tf.float32, "pixels")])
    def __call__(self, pixels):
        out = {"input": tf.cast(pixels / 127.5 - 1.0, self.dtype)}
        for layer in self.layers:
            name, kind, source = layer["name"], layer["kind"], layer["from"]
            x = [out[one] for one in source] if isinstance(source, list) else out[source]
            if kind in ("conv", "dense"):
                w, b = self.weights[name + "/kernel"], self.weights[name + "/bias"]
            if kind == "conv":
                y = tf.nn.conv2d(x, w, layer["stride"], layer["padding"].upper())
                y = tf.nn.relu(tf.nn.bias_add(y, b))
            elif kind in ("maxPool", "avgPool"):
                pool = tf.nn.max_pool2d if kind == "maxPool" else tf.nn.avg_pool2d
                y = pool(x, 3, layer["stride"], layer["padding"].upper())
            elif kind == "concat":
                y = tf.concat(x, 3)
            elif kind == "globalAveragePool":
                y = tf.reduce_mean(x, [1, 2])
            elif kind == "dense":
                y = tf.linalg.matmul(x, w) + b
                y = tf.nn.relu(y) if layer["relu"] else y
            else:
                y = x
            out[name] = y
        return {"logits": tf.cast(out["logits"], tf.float32)}


layers_file, weights_file, out_dir = sys.argv[1:]
layers = json.load(open(layers_file))
weights = read_safetensors(weights_file)
for dtype in (tf.float32, tf.bfloat16):
    network = Network(layers, weights, dtype)
    tf.saved_model.save(network, f"{out_dir}/{dtype.name}", signatures=network.__call__)
