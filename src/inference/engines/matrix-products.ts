import { appendFile, copyFile, open } from 'node:fs/promises';
import { DATA_TYPE, encodeModel } from './onnx-proto.ts';

/**
 * onnxruntime has two ways to compute a convolution of bytes: kernels of its own, made for AVX2, VNNI
 * and NEON, where all zero points are constants and those of the weights are 0; else a product of matrices.
 * The former are the faster ones, but only the latter know AMX, and only what they have packed can be
 * mapped and so shared by two workers. Both give the same bytes.
 *
 * The export gives large convolutions, for which AMX pays, a zero point of their own, so that
 * they can be sent the other way by declaring it as something that a caller may replace.
 */

/** The name of that zero point, which is 0. */
export const PRODUCT_ZERO = 'zero/0/product';

/**
 * Whether AMX pays: with fewer outputs or shorter sums, gathering the input takes longer than
 * multiplying. On an Intel Xeon the layers from `mixed3` on are a fifth to a third faster, those
 * before it slower.
 * @param terms products summed up for one output: height × width × inputs of the kernel.
 */
export const paysAsProduct = (outputs: number, terms: number): boolean =>
  outputs >= 128 && terms >= 768;

/** The export writes the nodes first: so much of a file names all their inputs. */
const HEAD_BYTES = 2 ** 20;

/**
 * Writes a graph anew, with its large convolutions as products of matrices.
 * @returns whether it has any; else nothing is written.
 */
export async function writeAsProducts(source: string, target: string): Promise<boolean> {
  // Declared without the constant it would be an input that every caller had to give.
  if (!(await readHead(source)).includes(PRODUCT_ZERO)) return false;
  await copyFile(source, target);
  // Messages of Protocol Buffers merge by being written one behind the other.
  await appendFile(target, encodeModel({ graph: { input: [DECLARATION] } }));
  return true;
}

const DECLARATION = {
  name: PRODUCT_ZERO,
  type: { tensorType: { elemType: DATA_TYPE.uint8, shape: { dim: [] } } },
};

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES));
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
