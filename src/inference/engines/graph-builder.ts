import {
  ATTRIBUTE_TYPE,
  DATA_TYPE,
  type DataType,
  encodeModel,
  type TensorRead,
} from './onnx-proto.ts';

/** Operators of onnxruntime that are not in the ONNX standard. */
export const MICROSOFT = 'com.microsoft';

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface Port {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly number[];
}

/** Collects an ONNX graph's nodes and constants, then writes it as a model file. */
export class GraphBuilder {
  readonly #nodes: object[] = [];
  readonly #constants = new Map<string, object>();

  /** Adds a node whose single output carries the node's name. Returns that name. */
  node(opType: string, name: string, input: readonly string[], options: NodeOptions = {}): string {
    const attribute = Object.entries(options.attributes ?? {}).map(([key, value]) =>
      typeof value === 'number'
        ? { name: key, i: value, type: ATTRIBUTE_TYPE.int }
        : { name: key, ints: value, type: ATTRIBUTE_TYPE.ints },
    );
    const domain = options.domain ?? '';
    this.#nodes.push({ name, opType, input, output: [name], attribute, domain });
    return name;
  }

  /** Adds a constant, once by name; raw numbers are little-endian. Returns its name. */
  constant(
    name: string,
    type: DataType,
    dims: readonly number[],
    data: Float32Array | Uint8Array | Int8Array | Int32Array,
  ): string {
    if (data.length !== dims.reduce((a, b) => a * b, 1)) {
      throw new Error(`constant ${name} has ${data.length} numbers, not [${dims}]`);
    }
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#constants.set(name, { name, dataType: DATA_TYPE[type], dims, rawData });
    return name;
  }

  /** Takes over a constant of another graph. Returns its name. */
  copy(tensor: TensorRead): string {
    this.#constants.set(tensor.name, tensor);
    return tensor.name;
  }

  encode(name: string, inputs: readonly Port[], outputs: readonly Port[]): Uint8Array {
    return encodeModel({
      irVersion: 8,
      producerName: 'retagger',
      opsetImport: [
        { domain: '', version: 17 },
        { domain: MICROSOFT, version: 1 },
      ],
      graph: {
        name,
        node: this.#nodes,
        initializer: [...this.#constants.values()],
        input: inputs.map(valueInfo),
        output: outputs.map(valueInfo),
      },
    });
  }
}

function valueInfo({ name, type, shape }: Port): object {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: DATA_TYPE[type], shape: { dim } } } };
}
