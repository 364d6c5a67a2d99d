// An animated WebP of a page: what Chromium shows, as it shows it. Chromium encodes the pictures, too; node-webpmux puts them together.
import WebP from 'node-webpmux';
import { until } from './wait.js';

const REST = 1_500; // that one stays at most, and the last one

/** Records the page while `work` runs, a picture every so many milliseconds at most: → pictures, [{ at, png }]. */
export async function record(page, work, { every }) {
  const pictures = [];
  const session = await page.context().newCDPSession(page);
  session.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    const picture = { at: metadata.timestamp * 1000, png: data };
    // Of what comes quickly the latest: it shows what the ones before have become.
    if (pictures.length > 1 && picture.at - pictures.at(-2).at < every) pictures.pop();
    pictures.push(picture);
    session.send('Page.screencastFrameAck', { sessionId }).catch(() => {}); // it has ended
  });
  const { width, height } = page.viewportSize();
  await session.send('Page.startScreencast', { format: 'png', maxWidth: width, maxHeight: height });
  await until('there is a first picture', () => pictures.length > 0);
  await work();
  await session.send('Page.stopScreencast');
  await session.detach();
  return pictures.sort((one, other) => one.at - other.at);
}

/** Makes an animated WebP of them: → { file, frames, duration in milliseconds }. Of each picture only what is new is kept, in 32 shades of each colour. */
export async function animate(browser, pictures) {
  const page = await browser.newPage();
  try {
    await page.evaluate(prepare);
    const frames = [];
    let size;
    for (const [i, { at, png }] of pictures.entries()) {
      const delay = Math.round(Math.min((pictures[i + 1]?.at ?? Infinity) - at, REST));
      const part = await page.evaluate((data) => globalThis.newPart(data), png);
      if (!part) {
        frames.at(-1).delay += delay;
        continue;
      }
      const { x, y, width, height, webp } = part;
      size ??= { width, height }; // the first one is all of it
      // It writes offsets as the file has them: in units of two pixels.
      const options = { x: x / 2, y: y / 2, delay, blend: true, dispose: false };
      frames.push(await WebP.Image.generateFrame({ buffer: Buffer.from(webp, 'base64'), ...options }));
    }
    const file = await WebP.Image.save(null, { frames, ...size, loops: 0, bgColor: [255, 255, 255, 255] });
    return { file, frames: frames.length, duration: frames.reduce((sum, { delay }) => sum + delay, 0) };
  } finally {
    await page.close();
  }
}

/**
 * What a browser makes of it: → { width, height, frames, last: the last picture as PNG, in base64 }. `page` has to be one of http, as browsers
 * have decoders for such pages only.
 */
export async function decoded(page, file) {
  return page.evaluate(async (data) => {
    const decoder = new ImageDecoder({ type: 'image/webp', data: Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)) });
    await decoder.tracks.ready;
    await decoder.completed;
    const frames = decoder.tracks.selectedTrack.frameCount;
    const { image } = await decoder.decode({ frameIndex: frames - 1 });
    const { displayWidth: width, displayHeight: height } = image;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.getContext('2d').drawImage(image, 0, 0);
    const url = canvas.toDataURL('image/png');
    return { width, height, frames, last: url.slice(url.indexOf(',') + 1) };
  }, file.toString('base64'));
}

/** The largest difference of any colour of any pixel between two pictures, PNG in base64. */
export async function difference(page, ...pngs) {
  return page.evaluate(async (all) => {
    const [one, other] = await Promise.all(all.map(async (png) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0))]));
      const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
      const context = canvas.getContext('2d');
      context.drawImage(bitmap, 0, 0);
      return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
    }));
    if (one.length !== other.length) return Infinity;
    let most = 0;
    for (let i = 0; i < one.length; i++) most = Math.max(most, Math.abs(one[i] - other[i]));
    return most;
  }, pngs);
}

// In the page: the function newPart, which returns what a picture changes of the one before, or nothing.
function prepare() {
  let before;
  globalThis.newPart = async (png) => {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, width, height);
    // Lossless WebP has a palette for few colours; letters look the same with 32 shades.
    for (let i = 0; i < pixels.data.length; i++) pixels.data[i] = Math.round(Math.round((pixels.data[i] * 31) / 255) * 255 / 31);
    const now = new Uint32Array(pixels.data.buffer);
    const whole = now.slice();
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = y * width + x;
        if (before && now[i] === before[i]) {
          now[i] = 0; // transparent: what was there stays, and takes no space
          continue;
        }
        left = Math.min(left, x);
        right = Math.max(right, x + 1);
        top = Math.min(top, y);
        bottom = Math.max(bottom, y + 1);
      }
    }
    before = whole;
    context.putImageData(pixels, 0, 0);
    if (right <= left) return undefined;
    // WebP has even offsets only.
    left -= left % 2;
    top -= top % 2;
    const part = Object.assign(document.createElement('canvas'), { width: right - left, height: bottom - top });
    part.getContext('2d').drawImage(canvas, -left, -top);
    const url = part.toDataURL('image/webp', 1); // 1 is lossless
    return { x: left, y: top, width: part.width, height: part.height, webp: url.slice(url.indexOf(',') + 1) };
  };
}
