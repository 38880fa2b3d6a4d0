/** Pixels; twice what a card shows. */
const WIDTH = 560;

/** One at a time: a phone's memory holds few photos of 12 megapixels. */
let last = Promise.resolve('');

/**
 * A small copy of a photo, so that the page does not keep the large one.
 * @param {File} file
 * @param {() => boolean} wanted asked when its turn comes: of many photos most cards have gone by then
 * @returns {Promise<string>} an object URL; the caller revokes it. Rejects where the browser cannot
 *   show the format, such as HEIC, and where it is not wanted any more.
 */
export function thumbnail(file, wanted) {
  const made = last.then(() => {
    if (!wanted()) throw new Error('not wanted');
    return draw(file);
  });
  last = made.catch(() => '');
  return made;
}

/**
 * @param {File} file
 * @returns {Promise<string>}
 */
async function draw(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, WIDTH / bitmap.width);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no canvas');
  context.imageSmoothingQuality = 'high';
  // JPEG has no transparency: a drawing's lines would be black on black.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.8));
  if (blob === null) throw new Error('no thumbnail');
  return URL.createObjectURL(blob);
}
