import { GraphBuilder } from './graph-builder.ts';
import { decodeGraph, type NodeRead, type TensorRead } from './onnx-proto.ts';

/**
 * The bundle's 8-bit graph in operators of the ONNX standard. The export writes onnxruntime's own ones,
 * which compute bytes from bytes and have the channels last; no other library knows them. Here every
 * value is a float that is rounded to a byte and back where the graph keeps bytes (`QuantizeLinear`,
 * `DequantizeLinear`: "QDQ"), with the channels second, and a library that computes in bytes takes the
 * bytes from that.
 */

/** How the export names what averages are made of. */
export const ONES = 'ones/';
export const EDGES = 'edges/';

const PLANES = [0, 3, 1, 2];
const CHANNELS_LAST = [0, 2, 3, 1];

/**
 * @param file an 8-bit graph as `exportInt8` writes it.
 * @returns the same network, input and output as the file; averages are rounded once instead of twice.
 * @throws Error where it has an operator that the export does not write.
 */
export function toQdq(file: Uint8Array): Uint8Array {
  const { node, initializer, input, output } = decodeGraph(file);
  const [pixels, logits] = [input[0]?.name as string, output[0]?.name as string];
  const translation = new Translation(new Map(initializer.map((tensor) => [tensor.name, tensor])));
  for (const each of node) translation.add(each);
  const shape = (port: typeof input) =>
    port[0]?.type.tensorType.shape.dim.map(({ dimValue }) => dimValue) as number[];
  return translation.graph.encode(
    'retagger-qdq',
    [{ name: pixels, type: 'uint8', shape: shape(input) }],
    [{ name: logits, type: 'float', shape: shape(output) }],
  );
}

type ConvolutionInputs = [
  ...[from: string, scale: string, zero: string],
  ...[kernel: string, scales: string, zeros: string],
  ...[outScale: string, outZero: string, bias: string],
];

class Translation {
  readonly graph = new GraphBuilder();
  readonly #constants: ReadonlyMap<string, TensorRead>;
  /** By the name of a value of bytes, that of the float in its place, channels second. */
  readonly #floats = new Map<string, string>();

  constructor(constants: ReadonlyMap<string, TensorRead>) {
    this.#constants = constants;
  }

  add(node: NodeRead): void {
    const float = this.#inPlaceOf(node);
    if (float !== null) this.#floats.set(node.name, float);
  }

  /** Returns the name of the float in place of the node's bytes; null for a node of the float part. */
  #inPlaceOf(node: NodeRead): string | null {
    const { name, opType, input } = node;
    switch (opType) {
      case 'QLinearConv':
        return this.#convolution(node);
      case 'NhwcMaxPool':
        return this.#copy({ ...node, opType: 'MaxPool' }, input.map(this.#float));
      case 'Concat':
        return this.#concat(name, input);
      case 'QLinearConcat': {
        const [scale, zero, ...parts] = input as [string, string, ...string[]];
        const joined = this.#concat(
          `${name}/joined`,
          parts.filter((_, i) => i % 3 === 0),
        );
        return this.#rounded(name, joined, scale, zero);
      }
      case 'QLinearMul':
        // A standard average counts no padding: there is nothing to make up for at the edges.
        if (!input[3]?.startsWith(EDGES)) break;
        return this.#float(input[0] as string);
      case 'DequantizeLinear':
        // What follows is float in the file too, and reads the channels last.
        this.graph.node('Transpose', name, [this.#float(input[0] as string)], {
          attributes: { perm: CHANNELS_LAST },
        });
        return null;
      case 'Flatten':
      case 'MatMul':
      case 'Gemm':
      case 'Relu':
        this.#copy(node, this.#all(...input));
        return null;
    }
    throw new Error(`${name}: ${opType} is not known here`);
  }

  #convolution(node: NodeRead): string {
    const { name, input } = node;
    const [from, scale, zero, kernel, scales, zeros, outScale, outZero, bias] =
      input as ConvolutionInputs;
    const real = `${name}/real`;
    const float = this.#floats.get(from) ?? this.#pixels(from, scale, zero);
    if (kernel.startsWith(ONES)) {
      const averages = this.#copy({ ...node, name: real, opType: 'AveragePool' }, [float]);
      return this.#rounded(name, averages, outScale, outZero);
    }
    const weights = this.graph.node(
      'DequantizeLinear',
      `${kernel}/real`,
      this.#all(kernel, scales, zeros),
      { attributes: { axis: 0 } },
    );
    const inputs = [float, weights, this.#realBias(bias, scale, scales)];
    const sums = this.#copy({ ...node, name: real, opType: 'Conv' }, inputs);
    return this.#rounded(name, sums, outScale, outZero);
  }

  /** The steps of a bias are as large as input scale × kernel scale. */
  #realBias(bias: string, scale: string, scales: string): string {
    const steps = numbers(this.#get(bias), Int32Array);
    const [input] = numbers(this.#get(scale), Float32Array) as unknown as [number];
    const kernel = numbers(this.#get(scales), Float32Array);
    const real = Float32Array.from(steps, (step, o) => step * input * (kernel[o] as number));
    return this.graph.constant(`${bias}/real`, 'float', [real.length], real);
  }

  #concat(name: string, parts: readonly string[]): string {
    const floats = parts.map(this.#float);
    return this.graph.node('Concat', name, floats, { attributes: { axis: 1 } });
  }

  /** Rounded to bytes of this scale and zero point, and float again. */
  #rounded(name: string, real: string, scale: string, zero: string): string {
    const how = this.#all(scale, zero);
    const bytes = this.graph.node('QuantizeLinear', `${name}/bytes`, [real, ...how]);
    return this.graph.node('DequantizeLinear', name, [bytes, ...how]);
  }

  /** The input of the graph, which no node makes, as floats. */
  #pixels(value: string, scale: string, zero: string): string {
    const float = this.graph.node('DequantizeLinear', `${value}/real`, [
      value,
      ...this.#all(scale, zero),
    ]);
    const attributes = { perm: PLANES };
    const planes = this.graph.node('Transpose', `${value}/planes`, [float], { attributes });
    this.#floats.set(value, planes);
    return planes;
  }

  readonly #float = (value: string): string => {
    const float = this.#floats.get(value);
    if (float === undefined) throw new Error(`${value} is read before it is made`);
    return float;
  };

  /** The node with other inputs; the standard has no attribute for channels that are last. */
  #copy({ name, opType, attribute }: NodeRead, input: readonly string[]): string {
    const of = opType === 'AveragePool' ? ['group', 'channels_last'] : ['channels_last'];
    const attributes = Object.fromEntries(
      attribute
        .filter((each) => !of.includes(each.name))
        .map((each) => [each.name, each.ints?.length ? each.ints : (each.i as number)]),
    );
    return this.graph.node(opType, name, input, { attributes });
  }

  #all(...names: string[]): string[] {
    return names.map((name) => this.#constant(name));
  }

  /** Takes it over where it is a constant. */
  #constant(name: string): string {
    const tensor = this.#constants.get(name);
    return tensor ? this.graph.copy(tensor) : name;
  }

  #get(name: string): TensorRead {
    const tensor = this.#constants.get(name);
    if (!tensor) throw new Error(`constant ${name} is missing`);
    return tensor;
  }
}

/** Read through a copy: in the file they lie at any address. */
function numbers<T extends Int32Array | Float32Array>(
  { rawData }: TensorRead,
  Type: new (buffer: ArrayBuffer) => T,
): T {
  return new Type(Uint8Array.from(rawData).buffer as ArrayBuffer);
}
