/** HEICs and AVIFs for tests: pictures that are put together from others. */

const short = (value: number) => Buffer.of(value >> 8, value & 255);
const long = (value: number) => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};
const box = (name: string, ...parts: readonly Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([long(body.length + 8), Buffer.from(name), body]);
};
/** With a version and flags. */
const full = (name: string, version: number, ...parts: readonly Buffer[]) =>
  box(name, Buffer.of(version, 0, 0, 0), ...parts);
const sizeOf = (width: number, height: number) => full('ispe', 0, long(width), long(height));

/** The body of the first box of this name, which must not be nested in another's data. */
function bodyOf(file: Buffer, name: string): Buffer {
  const at = file.indexOf(name) - 4;
  return file.subarray(at + 8, at + file.readUInt32BE(at));
}

/**
 * A picture of `width` × `height` cut out of a grid whose tiles are all the same.
 * @param tile a file with one picture and nothing else.
 */
export function gridOf(tile: Buffer, rows: number, columns: number, width: number, height: number) {
  const isHeic = tile.includes('hvcC');
  const [config, kind, brand] = isHeic ? ['hvcC', 'hvc1', 'heic'] : ['av1C', 'av01', 'avif'];
  const ids = Array.from({ length: rows * columns }, (_, n) => n + 2);
  const data = bodyOf(tile, 'mdat');
  const grid = Buffer.concat([Buffer.of(0, 1, rows - 1, columns - 1), long(width), long(height)]);
  const info = (id: number, type: string) =>
    full('infe', 2, short(id), short(0), Buffer.from(type), Buffer.of(0));
  const tileSize = full('ispe', ...([0, bodyOf(tile, 'ispe').subarray(4)] as const));
  const pixi = full('pixi', 0, Buffer.of(3, 8, 8, 8));
  const properties = box(
    'ipco',
    box(config, bodyOf(tile, config)),
    tileSize,
    sizeOf(width, height),
    pixi,
  );
  const has = (id: number, ...which: readonly number[]) =>
    Buffer.concat([short(id), Buffer.of(which.length, ...which)]);
  const uses = [has(1, 3, 4), ...ids.map((id) => has(id, 0x81, 2, 4))];
  const place = (id: number, at: number, length: number) =>
    Buffer.concat([short(id), short(0), short(1), long(at), long(length)]);
  const fileOf = (at: number) => {
    const places = [
      place(1, at, grid.length),
      ...ids.map((id) => place(id, at + grid.length, data.length)),
    ];
    const count = short(ids.length + 1);
    return Buffer.concat([
      box('ftyp', Buffer.from(brand), long(0), Buffer.from(`mif1${brand}miaf`)),
      full(
        'meta',
        ...([0, full('hdlr', 0, long(0), Buffer.from('pict'), Buffer.alloc(13))] as const),
        full('pitm', 0, short(1)),
        full('iloc', 0, Buffer.of(0x44, 0), count, ...places),
        full('iinf', 0, count, info(1, 'grid'), ...ids.map((id) => info(id, kind))),
        box('iprp', properties, full('ipma', 0, long(ids.length + 1), ...uses)),
        full('iref', 0, box('dimg', short(1), short(ids.length), ...ids.map(short))),
      ),
      box('mdat', grid, data),
    ]);
  };
  return fileOf(fileOf(0).length - grid.length - data.length);
}
