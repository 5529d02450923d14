// Measures the studio in Chromium: `node e2e/measure.mjs URL PICTURE… ` prints JSON. The pictures have 12 megapixels.

import { openBrowser, placeOf } from './browser.mjs';

const [url, ...pictures] = process.argv.slice(2);
const SIZE = { width: 4000, height: 3000 };
const HOVERS = 60;

const { page, close } = await openBrowser();
const results = {};

/** Runs in the page: notes when a preview reached the screen, and what began it. */
function watch() {
  const canvas = document.querySelector('canvas');
  const record = { hovers: [], opened: 0, first: 0 };
  let moved = 0;
  canvas.addEventListener('pointermove', (event) => {
    moved = event.timeStamp;
  });
  document.querySelector('main > input[type=file]').addEventListener('change', () => {
    record.opened = performance.now();
    record.first = 0;
  });
  new MutationObserver(() => {
    const began = moved;
    requestAnimationFrame(() => {
      const now = performance.now();
      record.first ||= now;
      record.hovers.push(now - began);
    });
  }).observe(canvas, { attributeFilter: ['data-shown'] });
  globalThis.record = record;
}

const shown = () => page.getAttribute('canvas', 'data-shown').then(Number);

async function nextPreview(before) {
  await page.waitForFunction(
    (count) => Number(document.querySelector('canvas').dataset.shown) > count,
    before,
    {
      polling: 'raf',
    },
  );
  await page.waitForTimeout(30);
}

const begin = performance.now();
await page.goto(url);
await page.waitForSelector('h1');
results.page_ms = performance.now() - begin;
await page.waitForSelector('main[data-decoder=browser]', { timeout: 120_000 });
results.decoder_ms = performance.now() - begin;
await page.evaluate(watch);

// The first mask after opening: the mouse rests over the picture.
results.first_mask_ms = [];
for (const picture of pictures) {
  const [x, y] = await placeOf(page, SIZE, [2000, 1500]);
  await page.mouse.move(x, y);
  await page.waitForTimeout(1000);
  const last = await page.evaluate(() => localStorage.getItem('promptseg.picture'));
  await page.setInputFiles('main > input[type=file]', picture);
  await page.waitForFunction((id) => localStorage.getItem('promptseg.picture') !== id, last, {
    polling: 'raf',
  });
  await page.evaluate(() => {
    record.first = 0;
  });
  const before = await shown();
  for (let step = 0; (await shown()) === before; step++) {
    await page.mouse.move(x + (step % 9), y);
    await page.waitForTimeout(16); // a mouse reports some 60 times a second
  }
  await page.waitForTimeout(100);
  results.first_mask_ms.push(await page.evaluate(() => record.first - record.opened));
}

// Hovering, one place at a time.
await page.evaluate(() => {
  record.hovers.length = 0;
});
for (let at = 0; at < HOVERS; at++) {
  const before = await shown();
  await page.mouse.move(
    ...(await placeOf(page, SIZE, [600 + ((at * 397) % 2800), 500 + ((at * 211) % 2000)])),
  );
  await nextPreview(before);
}
results.hover_ms = await page.evaluate(() => record.hovers);

// A click, to the finished mask in the list; and hovering over a correction of it.
const times = [];
for (let at = 0; at < 5; at++) {
  const rows = await page.locator('[data-row]').count();
  const [x, y] = await placeOf(page, SIZE, [900 + 500 * at, 800 + 300 * at]);
  await page.mouse.move(x, y);
  await page.waitForTimeout(300);
  const began = performance.now();
  await page.mouse.click(x, y);
  await page.waitForFunction((count) => document.querySelectorAll('[data-row]').length > count, rows, {
    polling: 'raf',
  });
  times.push(performance.now() - began);
  if (at === 0) {
    await page.waitForTimeout(3000); // the network for corrections loads
    await page.evaluate(() => {
      record.hovers.length = 0;
    });
    for (let step = 0; step < 15; step++) {
      const before = await shown();
      await page.mouse.move(x + 20 + 9 * step, y + 7 * step);
      await nextPreview(before);
    }
    results.correction_ms = await page.evaluate(() => record.hovers);
  }
  await page.keyboard.press('n');
}
results.click_ms = times;

// Panning with five masks: intervals between frames while the picture is dragged.
await page.click('[data-tool=select]');
const box = await page.locator('canvas').boundingBox();
const centre = [box.x + box.width / 2, box.y + box.height / 2];
async function pan() {
  await page.mouse.move(...centre);
  await page.mouse.down();
  await page.evaluate(() => {
    const frames = [];
    let last = 0;
    const tick = (now) => {
      if (last) frames.push(now - last);
      last = now;
      if (frames.length < 240) requestAnimationFrame(tick);
      else globalThis.done = frames;
    };
    globalThis.done = null;
    requestAnimationFrame(tick);
  });
  for (let step = 0; !(await page.evaluate(() => done !== null)); step++) {
    const angle = step / 12;
    await page.mouse.move(centre[0] + 160 * Math.sin(angle), centre[1] + 110 * (1 - Math.cos(angle)));
  }
  await page.mouse.up();
  return page.evaluate(() => done);
}
results.pan_fit_ms = await pan();
for (let step = 0; step < 4; step++) await page.keyboard.press('+');
await page.waitForTimeout(400);
results.pan_close_ms = await pan();

await close();
console.log(JSON.stringify(results));
