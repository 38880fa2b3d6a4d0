"""FastAPI and ONNX Runtime. Usage: fastapi_onnxruntime.py PORT MODEL.onnx"""

import sys

import onnxruntime
import uvicorn
from fastapi import FastAPI, UploadFile

from labels import answer, pixels_of

port, model = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
app = FastAPI()


# Not async: FastAPI then runs it in its thread pool, so that decoding overlaps inference.
@app.post("/re-tagger")
def tag(image: UploadFile):
    return answer(session.run(None, {"pixels": pixels_of(image.file)})[0][0])


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")
