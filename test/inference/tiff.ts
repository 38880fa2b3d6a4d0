/** A tag of a TIFF: number, type (2 text, 3 short, 4 long), count, value or where it lies. */
export type TiffTag = readonly [tag: number, type: number, count: number, value: number];

/**
 * An uncompressed little-endian TIFF with these tags besides those it needs, in the order given; or in
 * their place.
 */
export function tiffOf(rgb: Buffer, width: number, height: number, more: readonly TiffTag[] = []) {
  const needed: TiffTag[] = [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, 3, 0],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, 1, 0],
    [277, 3, 1, 3],
    [278, 4, 1, height],
    [279, 4, 1, rgb.length],
  ];
  const given = (tag: number) => more.find((other) => other[0] === tag);
  const others = more.filter(([tag]) => !needed.some((other) => other[0] === tag));
  const tags = [...needed.map((tag) => given(tag[0]) ?? tag), ...others];
  const bits = 8 + 2 + tags.length * 12 + 4;
  const head = Buffer.alloc(bits + 6);
  head.write('II*\0\x08\0\0\0', 'latin1');
  head.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, type, count, value], n) => {
    const at = 10 + n * 12;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(type, at + 2);
    head.writeUInt32LE(count, at + 4);
    const place = { 258: count > 1 ? bits : value, 273: head.length }[tag];
    head.writeUInt32LE(place ?? value, at + 8);
  });
  for (let n = 0; n < 3; n++) head.writeUInt16LE(8, bits + n * 2);
  return Buffer.concat([head, rgb]);
}
