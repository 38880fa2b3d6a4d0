/**
 * onnxruntime's native library, the only place that loads it. Since 1.29 it reports every session to
 * its maker and keeps a device id in the home folder, unless this is set before it loads.
 */
process.env.ORT_DISABLE_TELEMETRY = '1';

export const { InferenceSession, Tensor } = await import('onnxruntime-node');
