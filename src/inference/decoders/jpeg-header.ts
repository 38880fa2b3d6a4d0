import { exifOrientation } from './exif-orientation.ts';

/** What a JPEG says of itself before its first scan. */
export interface JpegHeader {
  /** As stored, before any turn, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** All of the picture comes in one scan, row by row; of others decoders keep the coefficients. */
  readonly inOneScan: boolean;
  /** Coefficients a pixel: 3 for three components of full size, 1.5 where two are halved both ways. */
  readonly samples: number;
  /**
   * One sequential frame of three components of 8 bits, Huffman-coded, all three in the first scan;
   * no colour profile.
   */
  readonly ordinary: boolean;
  /** As EXIF numbers it, 1 to 8; null where readers may disagree. */
  readonly orientation: number | null;
}

/** Markers looked at, at most, and fill bytes before them. */
const MARKERS = 1000;
const [DHT, JPG, DAC, SCAN, APP1, APP2] = [0xc4, 0xc8, 0xcc, 0xda, 0xe1, 0xe2];
/** Baseline and extended sequential. */
const ORDINARY = new Set([0xc0, 0xc1]);
const COMPONENTS = 3;
/** TEM, RSTn, SOI, EOI: markers without a length, and with no business here. */
const isBare = (marker: number) => marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9);
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== JPG && marker !== DAC;

interface Segment {
  readonly marker: number;
  /** What follows the length; may be cut off with the file. */
  readonly body: Buffer;
}

/** null where no frame is found. Takes any bytes; looks no further than the first scan. */
export function readJpegHeader(bytes: Buffer): JpegHeader | null {
  let frame: Segment | undefined;
  let exif: Segment | undefined;
  let inScan = 0;
  let ordinary = true;
  for (const segment of segmentsOf(bytes)) {
    const { marker, body } = segment;
    if (isFrame(marker)) {
      if (frame || !ORDINARY.has(marker)) ordinary = false;
      frame ??= segment;
    } else if (marker === APP1 && startsWith(body, 'Exif')) {
      if (exif || !startsWith(body, 'Exif\0\0')) ordinary = false;
      exif ??= segment;
    } else if (marker === APP2 && startsWith(body, 'ICC_PROFILE')) {
      ordinary = false;
    } else if (marker === SCAN) {
      inScan = body[0] ?? 0;
    }
  }
  if (!frame || frame.body.length < 6) return null;
  const { marker, body } = frame;
  const progressive = marker % 4 === 2;
  ordinary &&= inScan === COMPONENTS && body.readUInt8(5) === COMPONENTS;
  ordinary &&= body.readUInt8(0) === 8 && body.length === 6 + 3 * COMPONENTS;
  return {
    height: body.readUInt16BE(1),
    width: body.readUInt16BE(3),
    progressive,
    inOneScan: !progressive && inScan === body.readUInt8(5),
    samples: samplesOf(body.subarray(6)),
    ordinary,
    orientation: exif ? exifOrientation(exif.body.subarray(6)) : 1,
  };
}

/** @param components of a frame, three bytes each. */
function samplesOf(components: Buffer): number {
  const areas: number[] = [];
  const most = { across: 1, down: 1 };
  for (let at = 0; at + 3 <= components.length; at += 3) {
    const [across, down] = [components.readUInt8(at + 1) >> 4, components.readUInt8(at + 1) & 15];
    most.across = Math.max(most.across, across);
    most.down = Math.max(most.down, down);
    areas.push(across * down);
  }
  return areas.reduce((sum, area) => sum + area, 0) / (most.across * most.down);
}

/** Up to the first scan, its own included, or to the first thing that is no segment. */
function* segmentsOf(bytes: Buffer): Generator<Segment> {
  let at = 2;
  for (let n = 0; n < MARKERS && at + 4 <= bytes.length; n++) {
    const marker = bytes.readUInt8(at + 1);
    if (bytes[at] !== 0xff) return;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = bytes.readUInt16BE(at + 2);
    if (isBare(marker) || length < 2) return;
    yield { marker, body: bytes.subarray(at + 4, at + 2 + length) };
    if (marker === SCAN) return;
    at += 2 + length;
  }
}

const startsWith = (body: Buffer, text: string) => body.toString('latin1', 0, text.length) === text;
