"""The paper's stack: Flask and a Keras model, one request at a time.

Usage: flask_keras.py PORT LAYERS.json WEIGHTS.safetensors
"""

import json
import logging
import sys

import keras
import numpy as np
from flask import Flask, jsonify, request
from keras import layers as L
from safetensors.numpy import load_file

from labels import answer, pixels_of


def network(layers_file, weights_file):
    weights = {name: w.astype(np.float32) for name, w in load_file(weights_file).items()}
    x = keras.Input((299, 299, 3))
    out = {"input": x}
    for layer in json.load(open(layers_file)):
        name, kind, source = layer["name"], layer["kind"], layer["from"]
        at = [out[one] for one in source] if isinstance(source, list) else out[source]
        if kind == "conv":
            part = L.Conv2D(layer["filters"], layer["kernel"], layer["stride"], layer["padding"],
                            activation="relu", name=name)
        elif kind in ("maxPool", "avgPool"):
            pool = L.MaxPooling2D if kind == "maxPool" else L.AveragePooling2D
            part = pool(3, layer["stride"], layer["padding"], name=name)
        elif kind == "concat":
            part = L.Concatenate(name=name)
        elif kind == "globalAveragePool":
            part = L.GlobalAveragePooling2D(name=name)
        elif kind == "dense":
            part = L.Dense(layer["units"], activation="relu" if layer["relu"] else None, name=name)
        else:
            part = L.Dropout(layer["rate"], name=name)
        out[name] = part(at)
    model = keras.Model(x, out["logits"])
    for part in model.layers:
        if f"{part.name}/kernel" in weights:
            part.set_weights([weights[f"{part.name}/kernel"], weights[f"{part.name}/bias"]])
    return model


port, layers_file, weights_file = sys.argv[1:]
logging.getLogger("werkzeug").setLevel(logging.ERROR)
model = network(layers_file, weights_file)
app = Flask(__name__)


@app.post("/re-tagger")
def tag():
    x = pixels_of(request.files["image"].stream).astype(np.float32) / 127.5 - 1
    return jsonify(answer(model.predict(x, verbose=0)[0]))


app.run("127.0.0.1", int(port), threaded=False)
