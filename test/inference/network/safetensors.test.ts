import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float16ToFloat32, float32ToFloat16 } from '../../../src/inference/network/float16.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  type Tensors,
} from '../../../src/inference/network/safetensors.ts';

/** A file as another writer lays it out: no padding, so that the numbers are not aligned. */
function file(header: unknown, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, body]);
}

describe('float16', () => {
  it('knows the format’s landmarks', () => {
    const landmarks: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x0001, 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Number.POSITIVE_INFINITY],
    ];
    for (const [half, value] of landmarks) {
      expect(float16ToFloat32(Uint16Array.of(half))[0]).toBe(value);
      expect(float32ToFloat16(Float32Array.of(value))[0]).toBe(half);
    }
  });

  it('gives every finite half back', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i).filter(
      (half) => (half & 0x7c00) !== 0x7c00,
    );
    expect(float32ToFloat16(float16ToFloat32(halves))).toEqual(halves);
  });

  it('rounds to the nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65504, max: 65504 }), (value) => {
        const half = float32ToFloat16(Float32Array.of(value))[0] as number;
        const at = (bits: number) => float16ToFloat32(Uint16Array.of(bits))[0] as number;
        const error = Math.abs(at(half) - value);
        for (const neighbour of [half - 1, half + 1]) {
          const other = Math.abs(at(neighbour & 0xffff) - value);
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(other);
          if (other === error && neighbour !== half) expect(half & 1).toBe(0);
        }
      }),
      { examples: [[1 + 2 ** -11], [1 + 3 * 2 ** -11], [2 ** -25], [3 * 2 ** -25], [65503.996]] },
    );
    expect(float32ToFloat16(Float32Array.of(65519.996, 65520))).toEqual(
      Uint16Array.of(0x7bff, 0x7c00),
    );
  });
});

describe('safetensors', () => {
  const tensors: Tensors = new Map([
    ['a/kernel', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0.25, -0.125, 1024) }],
    ['a/bias', { shape: [1], data: Float32Array.of(-7) }],
    ['scalar', { shape: [], data: Float32Array.of(0.5) }],
  ]);

  it.each(['F16', 'F32'] as const)('reads what it wrote as %s', (dtype) => {
    const bytes = encodeSafetensors(tensors, dtype);
    expect(decodeSafetensors(bytes)).toEqual(tensors);
    expect([...decodeSafetensors(bytes).keys()]).toEqual(['a/kernel', 'a/bias', 'scalar']);
    const header = Number(Buffer.from(bytes).readBigUInt64LE());
    expect(header % 8).toBe(0);
    const numbers = 8 * (dtype === 'F16' ? 2 : 4);
    expect(bytes.length).toBe(8 + header + numbers);
  });

  it('reads another writer’s unaligned file, and from inside a larger buffer', () => {
    const body = Buffer.from([0x00, 0x3c, 0x00, 0xc0]);
    const entry = { dtype: 'F16', shape: [2], data_offsets: [0, 4] };
    const bytes = file({ __metadata__: { format: 'pt' }, odd: entry }, body);
    const inside = Buffer.concat([Buffer.from([9]), bytes]).subarray(1);
    for (const given of [bytes, inside]) {
      expect(decodeSafetensors(given)).toEqual(
        new Map([['odd', { shape: [2], data: Float32Array.of(1, -2) }]]),
      );
    }
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /shorter/],
    ['a header beyond the end', file('{}').subarray(0, 9), /does not fit/],
    ['an absurd header length', new Uint8Array(16).fill(255), /does not fit/],
    ['no JSON', file('{"a":'), /not JSON/],
    ['a list', file('[]'), /not an object/],
    ['an unknown dtype', file({ a: { dtype: 'I8', shape: [1], data_offsets: [0, 1] } }), /I8/],
    ['a cut body', file({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }), /offsets/],
    ['no offsets', file({ a: { dtype: 'F32', shape: [2] } }), /offsets/],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('refuses to write what it could not read back', () => {
    const one = (data: Float32Array, shape: number[]) => new Map([['w', { shape, data }]]);
    expect(() => encodeSafetensors(one(Float32Array.of(1), [2]), 'F32')).toThrow(/not \[2\]/);
    expect(() => encodeSafetensors(one(Float32Array.of(1e6), [1]), 'F16')).toThrow(/finite/);
    expect(() => encodeSafetensors(one(Float32Array.of(Number.NaN), [1]), 'F32')).toThrow(/finite/);
  });
});
