import { checkPixels, type EngineFactory } from '../engine.ts';
import { forward, scalePixels, uploadWeights } from '../network/forward.ts';
import { INPUT_SIZE, LOGITS } from '../network/inceptionv3.ts';
import { loadWeights } from '../network/weights.ts';
import { loadTfjs } from '../tfjs.ts';

/**
 * f32 by TensorFlow, convolution, bias and ReLU fused, one photo of one shape at a time. Slower than
 * int8; the yardstick for that is `reference.ts`. Needs `npm run setup:tfjs-node`.
 */
export const createTfjsNodeEngine: EngineFactory = async (bundle, options) => {
  const { layers, weights } = await loadWeights(bundle);
  const tf = await loadTfjs(options.threads);
  const uploaded = uploadWeights(tf, weights);
  let closed = false;
  return {
    atOnce: 1,
    async infer(pixels) {
      if (closed) throw new Error('the tfjs-node engine is closed');
      checkPixels(pixels);
      const logits = tf.tidy(() => {
        const shape = [1, INPUT_SIZE, INPUT_SIZE, 3] as [number, number, number, number];
        const x = scalePixels(tf, tf.tensor4d(Int32Array.from(pixels), shape, 'int32'));
        return forward(tf, layers, uploaded, x, LOGITS);
      });
      try {
        return Float32Array.from(await logits.data());
      } finally {
        logits.dispose();
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      tf.dispose([...uploaded.values()]);
    },
  };
};
