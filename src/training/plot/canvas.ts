import { createRequire } from 'node:module';
import sharp from 'sharp';

export type Colour = readonly [red: number, green: number, blue: number];

const DARK: Colour = [40, 40, 40];

interface TextOptions {
  readonly colour?: Colour;
  readonly size?: number;
  readonly right?: number;
}

/** By letters of usual width, and East Asian ones, that are as wide as high. */
function fitted(text: string, width: number, size: number): string {
  let used = 0;
  let kept = '';
  for (const character of text.replace(/\s/g, ' ')) {
    const wide = (character.codePointAt(0) as number) > 0x2e7f;
    used += size * (wide ? 1.1 : 0.62);
    if (used > width) return `${kept.slice(0, -1)}…`;
    kept += character;
  }
  return kept;
}

/** A white picture to draw lines, rectangles and text on. Coordinates in pixels from top left. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #pixels: Uint8Array;
  readonly #texts: { text: string; x: number; y: number; colour: Colour; size: number }[] = [];

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.#pixels = new Uint8Array(width * height * 3).fill(255);
  }

  rectangle(x: number, y: number, width: number, height: number, colour: Colour): void {
    const right = Math.min(this.width, Math.round(x + width));
    const bottom = Math.min(this.height, Math.round(y + height));
    for (let row = Math.max(0, Math.round(y)); row < bottom; row++) {
      for (let column = Math.max(0, Math.round(x)); column < right; column++) {
        this.#pixels.set(colour, (row * this.width + column) * 3);
      }
    }
  }

  line(from: readonly [number, number], to: readonly [number, number], colour: Colour): void {
    const [x, y] = from;
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(to[0] - x), Math.abs(to[1] - y)) * 2));
    for (let i = 0; i <= steps; i++) {
      const at = i / steps;
      this.rectangle(x + (to[0] - x) * at - 1, y + (to[1] - y) * at - 1, 2, 2, colour);
    }
  }

  /**
   * `x`, `y`: top left of the text; `size` in points at 72 dpi. What would not fit between `x` and
   * `right` is cut off.
   */
  text(
    whole: string,
    x: number,
    y: number,
    { colour = DARK, size = 13, right = this.width }: TextOptions = {},
  ): void {
    const text = fitted(whole, right - x, size);
    if (text.trim() === '') return;
    this.#texts.push({ text, x: Math.round(x), y: Math.round(y), colour, size });
  }

  async png(): Promise<Buffer> {
    // A font of our own: a bare box has none.
    const fontfile = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');
    const markup = (text: string) =>
      text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c] ?? c);
    const hex = (colour: Colour) =>
      colour.map((value) => value.toString(16).padStart(2, '0')).join('');
    const layers = this.#texts.map(({ text, x, y, colour, size }) => ({
      input: {
        text: {
          text: `<span foreground="#${hex(colour)}">${markup(text)}</span>`,
          font: `DejaVu Sans ${size}`,
          ...{ fontfile, rgba: true, dpi: 72 },
        },
      },
      ...{ left: x, top: y },
    }));
    const raw = { width: this.width, height: this.height, channels: 3 } as const;
    return sharp(this.#pixels, { raw }).composite(layers).png().toBuffer();
  }
}
