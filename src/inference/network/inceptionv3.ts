/**
 * InceptionV3 as data: the one description of the network that the trainer, the ONNX export and
 * the f32 session read.
 *
 * Layer names and order follow Keras' creation order (`conv2d_1` … `conv2d_94`, `mixed0` …
 * `mixed10`). BatchNorm is folded: each convolution is convolution + bias + ReLU. Weights are named
 * `NAME/kernel` and `NAME/bias`. Tensors are NHWC, kernels HWIO.
 *
 * Source: Szegedy et al., "Rethinking the Inception Architecture" (2015); the head is the paper's
 * (arXiv 2207.05696): global average pool → fully connected → dropout 0.5 → softmax.
 */

export type Padding = 'same' | 'valid';

export type Layer = { readonly name: string } & (
  | {
      readonly kind: 'conv';
      readonly from: string;
      /** Output channels. */
      readonly filters: number;
      /** Height, width. */
      readonly kernel: readonly [number, number];
      readonly stride: 1 | 2;
      readonly padding: Padding;
    }
  | {
      /** 3×3 pool. An average never counts the padding. */
      readonly kind: 'maxPool' | 'avgPool';
      readonly from: string;
      readonly stride: 1 | 2;
      readonly padding: Padding;
    }
  | { readonly kind: 'concat'; readonly from: readonly string[] }
  | { readonly kind: 'globalAveragePool'; readonly from: string }
  | {
      readonly kind: 'dense';
      readonly from: string;
      readonly units: number;
      readonly relu: boolean;
    }
  /** Active in training only. */
  | { readonly kind: 'dropout'; readonly from: string; readonly rate: number }
);

/** Height and width of the input in pixels. */
export const INPUT_SIZE = 299;
/** Name of the input tensor, [n, 299, 299, 3]; RGB scaled by `x / 127.5 - 1`. */
export const INPUT = 'input';
/** Name of the last layer, [n, labels]: logits, before softmax. */
export const LOGITS = 'logits';
/** Kernels that the ImageNet weights lack; they start random and are trained with the head. */
export const MISSING_KERNELS = ['conv2d_82', 'conv2d_91'] as const;
/** Units of the fully connected layer. The paper gives none; 256 is our choice. */
const HEAD_UNITS = 256;
const DROPOUT = 0.5;

/** The layers in an order in which each comes after what it reads. */
export function inceptionV3(labelCount: number): readonly Layer[] {
  const layers: Layer[] = [];
  let convolutions = 0;
  let pools = 0;

  const conv = (
    from: string,
    filters: number,
    height: number,
    width: number,
    stride: 1 | 2 = 1,
    padding: Padding = 'same',
  ): string => {
    const name = `conv2d_${++convolutions}`;
    layers.push({ kind: 'conv', name, from, filters, kernel: [height, width], stride, padding });
    return name;
  };
  const pool = (kind: 'maxPool' | 'avgPool', from: string, stride: 1 | 2, padding: Padding) => {
    const name = `pool_${++pools}`;
    layers.push({ kind, name, from, stride, padding });
    return name;
  };
  const concat = (name: string, from: readonly string[]): string => {
    layers.push({ kind: 'concat', name, from });
    return name;
  };

  // Stem: 299×299×3 → 35×35×192.
  let x = conv(INPUT, 32, 3, 3, 2, 'valid');
  x = conv(x, 32, 3, 3, 1, 'valid');
  x = conv(x, 64, 3, 3);
  x = pool('maxPool', x, 2, 'valid');
  x = conv(x, 80, 1, 1, 1, 'valid');
  x = conv(x, 192, 3, 3, 1, 'valid');
  x = pool('maxPool', x, 2, 'valid');

  // mixed0–2: 35×35×256, 288, 288.
  for (const [index, poolFilters] of [32, 64, 64].entries()) {
    const single = conv(x, 64, 1, 1);
    const five = conv(conv(x, 48, 1, 1), 64, 5, 5);
    const double = conv(conv(conv(x, 64, 1, 1), 96, 3, 3), 96, 3, 3);
    const pooled = conv(pool('avgPool', x, 1, 'same'), poolFilters, 1, 1);
    x = concat(`mixed${index}`, [single, five, double, pooled]);
  }

  // mixed3: 17×17×768.
  {
    const three = conv(x, 384, 3, 3, 2, 'valid');
    const double = conv(conv(conv(x, 64, 1, 1), 96, 3, 3), 96, 3, 3, 2, 'valid');
    x = concat('mixed3', [three, double, pool('maxPool', x, 2, 'valid')]);
  }

  // mixed4–7: 17×17×768, with 7×7 convolutions factorised.
  for (const [index, f] of [128, 160, 160, 192].entries()) {
    const single = conv(x, 192, 1, 1);
    const seven = conv(conv(conv(x, f, 1, 1), f, 1, 7), 192, 7, 1);
    let double = conv(conv(x, f, 1, 1), f, 7, 1);
    double = conv(conv(conv(double, f, 1, 7), f, 7, 1), 192, 1, 7);
    const pooled = conv(pool('avgPool', x, 1, 'same'), 192, 1, 1);
    x = concat(`mixed${index + 4}`, [single, seven, double, pooled]);
  }

  // mixed8: 8×8×1280.
  {
    const three = conv(conv(x, 192, 1, 1), 320, 3, 3, 2, 'valid');
    const seven = conv(conv(conv(x, 192, 1, 1), 192, 1, 7), 192, 7, 1);
    const reduced = conv(seven, 192, 3, 3, 2, 'valid');
    x = concat('mixed8', [three, reduced, pool('maxPool', x, 2, 'valid')]);
  }

  // mixed9–10: 8×8×2048. mixed10 pools by maximum, unlike Keras: these weights were trained so.
  for (const [index, kind] of (['avgPool', 'maxPool'] as const).entries()) {
    const name = `mixed${index + 9}`;
    const single = conv(x, 320, 1, 1);
    const three = conv(x, 384, 1, 1);
    const threes = concat(`${name}_three`, [conv(three, 384, 1, 3), conv(three, 384, 3, 1)]);
    const double = conv(conv(x, 448, 1, 1), 384, 3, 3);
    const doubles = concat(`${name}_double`, [conv(double, 384, 1, 3), conv(double, 384, 3, 1)]);
    const pooled = conv(pool(kind, x, 1, 'same'), 192, 1, 1);
    x = concat(name, [single, threes, doubles, pooled]);
  }

  layers.push(
    { kind: 'globalAveragePool', name: 'average', from: x },
    { kind: 'dense', name: 'dense', from: 'average', units: HEAD_UNITS, relu: true },
    { kind: 'dropout', name: 'dropout', from: 'dense', rate: DROPOUT },
    { kind: 'dense', name: LOGITS, from: 'dropout', units: labelCount, relu: false },
  );
  return layers;
}
