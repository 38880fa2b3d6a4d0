/**
 * Draws the photos in test/fixtures: one plain scene per label, the same scene in every format and
 * in odd encodings, and files that must be refused. Seeded, so that a second run changes nothing.
 *
 *   npm run fixtures
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

const out = (path) => fileURLToPath(new URL(`../test/fixtures/${path}`, import.meta.url));
const WIDTH = 480;
const HEIGHT = 360;

/** Mulberry32: small, seeded, good enough for drawing. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const rect = (x, y, w, h, fill, extra = '') =>
  `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${fill}" ${extra}/>`;
const room = (wall, floor) => rect(0, 0, 480, 250, wall) + rect(0, 250, 480, 110, floor);
const repeat = (count, draw) => Array.from({ length: count }, (_, i) => draw(i)).join('');

const SCENES = {
  bedroom:
    room('#d9d3c7', '#8a6a4b') +
    rect(120, 130, 240, 60, '#5b4030', 'rx="8"') +
    rect(110, 190, 260, 110, '#f3f0ea', 'rx="10"') +
    rect(110, 235, 260, 65, '#5d7ea8', 'rx="10"') +
    rect(140, 175, 90, 36, '#ffffff', 'rx="10"') +
    rect(250, 175, 90, 36, '#ffffff', 'rx="10"') +
    rect(400, 210, 50, 70, '#6d4c33') +
    '<circle cx="425" cy="185" r="22" fill="#ffe8b0"/>',
  bathroom:
    rect(0, 0, 480, 360, '#dfeef2') +
    repeat(13, (i) => rect(i * 40, 0, 2, 360, '#b9d2d9')) +
    repeat(10, (i) => rect(0, i * 40, 480, 2, '#b9d2d9')) +
    rect(30, 220, 230, 100, '#ffffff', 'rx="40"') +
    rect(300, 200, 130, 30, '#ffffff', 'rx="12"') +
    rect(350, 230, 30, 110, '#f4f6f7') +
    rect(310, 60, 110, 110, '#9fc2d6', 'rx="6"'),
  balcony:
    rect(0, 0, 480, 200, '#8fc3f0') +
    '<circle cx="380" cy="60" r="30" fill="#fff3b0"/>' +
    rect(0, 150, 480, 70, '#5f8f54') +
    rect(0, 220, 480, 140, '#b9a58c') +
    rect(0, 170, 480, 10, '#3a3f46') +
    repeat(25, (i) => rect(i * 20, 175, 4, 120, '#3a3f46')) +
    rect(0, 0, 30, 360, '#e8e2d8') +
    rect(330, 250, 80, 70, '#7b5836', 'rx="6"'),
  kitchen:
    room('#efe8dc', '#a8a29a') +
    repeat(5, (i) => rect(10 + i * 94, 30, 86, 80, '#c98f55', 'rx="3"')) +
    rect(0, 180, 480, 14, '#4b4b4b') +
    repeat(5, (i) => rect(10 + i * 94, 196, 86, 110, '#c98f55', 'rx="3"')) +
    rect(200, 200, 80, 90, '#2d2d2d', 'rx="4"') +
    repeat(4, (i) => `<circle cx="${215 + i * 17}" cy="208" r="4" fill="#ddd"/>`) +
    rect(60, 150, 70, 30, '#c5ccd1', 'rx="6"'),
  hall:
    room('#e6ded2', '#9c7a52') +
    rect(90, 190, 300, 90, '#59636f', 'rx="16"') +
    rect(110, 150, 260, 60, '#66717e', 'rx="14"') +
    rect(180, 290, 130, 40, '#7a5a3c', 'rx="4"') +
    rect(170, 40, 140, 80, '#7aa0b8') +
    rect(30, 80, 20, 200, '#444') +
    '<circle cx="40" cy="70" r="28" fill="#ffeabf"/>',
  others:
    rect(0, 0, 480, 230, '#a9d3f5') +
    rect(0, 230, 480, 130, '#6aa84f') +
    rect(120, 140, 240, 140, '#d8c3a5') +
    '<path d="M100 145 240 60 380 145z" fill="#9b3d2e"/>' +
    rect(215, 200, 50, 80, '#5b4030') +
    rect(145, 170, 45, 45, '#e8f4ff') +
    rect(290, 170, 45, 45, '#e8f4ff'),
};

/** A drawing with a little noise, so that it compresses and blurs like a photo. */
async function scene(name, seed) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">${SCENES[name]}</svg>`;
  const { data } = await sharp(Buffer.from(svg))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const next = random(seed);
  for (let i = 0; i < data.length; i++)
    data[i] = Math.max(0, Math.min(255, data[i] + (next() - 0.5) * 14));
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

/** A PNG of zeros in 1-bit grey: tiny as a file, 900 megapixels once decoded. */
function pngBomb(side) {
  const chunk = (type, body) => {
    const data = Buffer.concat([Buffer.from(type), body]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(body.length, 0);
    frame.writeUInt32BE(crc32(data), 4);
    return Buffer.concat([frame.subarray(0, 4), data, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))), { level: 9 });
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

for (const folder of ['rooms', 'formats', 'refused']) mkdirSync(out(folder), { recursive: true });

for (const [i, name] of Object.keys(SCENES).entries()) {
  await (await scene(name, i + 1)).jpeg({ quality: 80 }).toFile(out(`rooms/${name}.jpg`));
}

const base = await (await scene('kitchen', 7)).png().toBuffer();
const photo = () => sharp(base);
const transparent = { channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } };
await photo().jpeg({ progressive: true, quality: 80 }).toFile(out('formats/progressive.jpg'));
await photo().greyscale().jpeg({ quality: 80 }).toFile(out('formats/grey.jpg'));
await photo().toColourspace('cmyk').jpeg({ quality: 80 }).toFile(out('formats/cmyk.jpg'));
// Stored lying on its side, with the note "turn me": what phones do.
await photo()
  .rotate(90)
  .withMetadata({ orientation: 8 })
  .jpeg({ quality: 80 })
  .toFile(out('formats/turned.jpg'));
await photo().resize(120, 90).toColourspace('rgb16').png().toFile(out('formats/16-bit.png'));
await sharp({ create: { width: 120, height: 90, ...transparent } })
  .composite([{ input: await photo().resize(80, 60).toBuffer() }])
  .png({ palette: true })
  .toFile(out('formats/alpha.png'));
await photo().webp({ quality: 70 }).toFile(out('formats/plain.webp'));
await photo().resize(240, 180).avif({ quality: 50 }).toFile(out('formats/plain.avif'));
await photo().resize(120, 90).gif({ colours: 32 }).toFile(out('formats/plain.gif'));
await photo().resize(120, 90).tiff({ compression: 'deflate' }).toFile(out('formats/plain.tiff'));

const whole = readFileSync(out('rooms/kitchen.jpg'));
writeFileSync(out('refused/truncated.jpg'), whole.subarray(0, Math.floor(whole.length / 2)));
writeFileSync(out('refused/text.jpg'), 'This is no photo, whatever its name says.\n');
writeFileSync(out('refused/empty.jpg'), '');
writeFileSync(
  out('refused/drawing.svg'),
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n',
);
writeFileSync(out('refused/bomb.png'), pngBomb(30_000));
