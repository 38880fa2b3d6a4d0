import protobuf from 'protobufjs/light.js';

/**
 * The messages of onnx.proto that are written and read here; field numbers are the standard's. The
 * standard's own file has four times as many, for training and for types that are not used here.
 */
const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: ['int64', 1],
      producerName: ['string', 2],
      graph: ['GraphProto', 7],
      opsetImport: ['OperatorSetIdProto', 8, 'repeated'],
    }),
    OperatorSetIdProto: message({ domain: ['string', 1], version: ['int64', 2] }),
    GraphProto: message({
      node: ['NodeProto', 1, 'repeated'],
      name: ['string', 2],
      initializer: ['TensorProto', 5, 'repeated'],
      input: ['ValueInfoProto', 11, 'repeated'],
      output: ['ValueInfoProto', 12, 'repeated'],
    }),
    NodeProto: message({
      input: ['string', 1, 'repeated'],
      output: ['string', 2, 'repeated'],
      name: ['string', 3],
      opType: ['string', 4],
      attribute: ['AttributeProto', 5, 'repeated'],
      domain: ['string', 7],
    }),
    AttributeProto: message({
      name: ['string', 1],
      i: ['int64', 3],
      ints: ['int64', 8, 'repeated'],
      type: ['int32', 20],
    }),
    TensorProto: message({
      dims: ['int64', 1, 'repeated'],
      dataType: ['int32', 2],
      name: ['string', 8],
      rawData: ['bytes', 9],
    }),
    ValueInfoProto: message({ name: ['string', 1], type: ['TypeProto', 2] }),
    TypeProto: message({ tensorType: ['TensorTypeProto', 1] }),
    TensorTypeProto: message({ elemType: ['int32', 1], shape: ['TensorShapeProto', 2] }),
    TensorShapeProto: message({ dim: ['DimensionProto', 1, 'repeated'] }),
    DimensionProto: message({ dimValue: ['int64', 1] }),
  },
});

type Field = readonly [type: string, id: number, rule?: 'repeated'];

function message(fields: Readonly<Record<string, Field>>): protobuf.IType {
  return {
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, [type, id, rule]]) => [
        name,
        { type, id, ...(rule ? { rule } : {}) },
      ]),
    ),
  };
}

/** ONNX's TensorProto.DataType. */
export const DATA_TYPE = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;
export type DataType = keyof typeof DATA_TYPE;

/** ONNX's AttributeProto.AttributeType. */
export const ATTRIBUTE_TYPE = { int: 2, ints: 7 } as const;

const ModelProto = root.lookupType('ModelProto');

/** @param model a plain object with the fields above. */
export function encodeModel(model: Record<string, unknown>): Uint8Array {
  const fault = ModelProto.verify(model);
  if (fault) throw new Error(`ONNX model: ${fault}`);
  return ModelProto.encode(ModelProto.create(model)).finish();
}

/** A graph as it is read back: what is left out in the file is empty here. */
export interface GraphRead {
  readonly node: readonly NodeRead[];
  readonly initializer: readonly TensorRead[];
  readonly input: readonly PortRead[];
  readonly output: readonly PortRead[];
}
export interface NodeRead {
  readonly name: string;
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly { readonly name: string; i?: number; ints?: number[] }[];
}
export interface TensorRead {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  /** Little-endian; part of the file's own bytes. */
  readonly rawData: Uint8Array;
}
export interface PortRead {
  readonly name: string;
  readonly type: {
    readonly tensorType: {
      readonly elemType: number;
      readonly shape: { readonly dim: readonly { readonly dimValue: number }[] };
    };
  };
}

/** The graph of a file that `encodeModel` wrote. @throws Error where it is none. */
export function decodeGraph(file: Uint8Array): GraphRead {
  const model = ModelProto.toObject(ModelProto.decode(file), { arrays: true, longs: Number });
  if (!model.graph) throw new Error('ONNX model: it has no graph');
  return model.graph;
}
