"""FastAPI and OpenVINO. Usage: fastapi_openvino.py PORT MODEL.onnx PRECISION HINT

PRECISION is f32 or bf16 (an int8 model stays int8); HINT is LATENCY or THROUGHPUT.
"""

import sys
import threading

import openvino
import uvicorn
from fastapi import FastAPI, UploadFile

from labels import answer, pixels_of

port, model, precision, hint = sys.argv[1:]
compiled = openvino.Core().compile_model(
    model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": hint}
)
local = threading.local()
app = FastAPI()


@app.post("/re-tagger")
def tag(image: UploadFile):
    if not hasattr(local, "request"):
        local.request = compiled.create_infer_request()
    return answer(local.request.infer({"pixels": pixels_of(image.file)})[0][0])


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")
