"""The f32 network in 8 bits as OpenVINO reads it: ONNX with QDQ nodes, by ONNX Runtime's own tool.

Usage: quantize.py F32.onnx OUT.onnx PHOTO...
"""

import sys

from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from labels import pixels_of


class Photos(CalibrationDataReader):
    def __init__(self, paths):
        self.inputs = iter({"pixels": pixels_of(path)} for path in paths)

    def get_next(self):
        return next(self.inputs, None)


f32, out, *photos = sys.argv[1:]
quantize_static(
    f32,
    out,
    Photos(photos),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
)
