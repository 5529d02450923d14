// Pictures of every tool for the documentation: `node e2e/screenshots.mjs URL FOLDER`.

import { join } from 'node:path';
import { openBrowser, openPictures, placeOf } from './browser.mjs';

const examples = new URL('../../examples/', import.meta.url).pathname;
const SIZES = {
  coffee: { width: 600, height: 400 },
  astronaut: { width: 512, height: 512 },
  chelsea: { width: 451, height: 300 },
  rocket: { width: 640, height: 427 },
};
const [url, folder] = process.argv.slice(2);

async function shoot(page, name) {
  await page.screenshot({ path: join(folder, `studio_${name}.jpg`), type: 'jpeg', quality: 80 });
}

/** Hands on one picture, which becomes the current one. */
async function on(page, picture) {
  await page.keyboard.press('Escape');
  await page.click(`section [title^="${picture}.jpg"]`);
  await page.waitForSelector('canvas[data-ready=true]', { timeout: 120_000 });
  await page.waitForTimeout(500);
  const at = (place) => placeOf(page, SIZES[picture], place);
  const rows = () => page.locator('[data-row]').count();
  const more = async (before) => {
    while ((await rows()) <= before) await page.waitForTimeout(50);
    await page.waitForTimeout(400);
  };
  return {
    tool: (tool) => page.click(`[data-tool=${tool}]`),
    async hover(place) {
      const before = await page.getAttribute('canvas', 'data-shown');
      await page.mouse.move(...(await at(place)));
      await page.waitForFunction((shown) => document.querySelector('canvas').dataset.shown !== shown, before);
      await page.waitForTimeout(200);
    },
    async click(place, fresh = true) {
      const before = fresh ? await rows() : -1;
      await page.mouse.click(...(await at(place)));
      await more(before);
    },
    async tap(places) {
      for (const place of places) await page.mouse.click(...(await at(place)));
    },
    async drag(places, release = true) {
      const before = await rows();
      await page.mouse.move(...(await at(places[0])));
      await page.mouse.down();
      for (const place of places.slice(1)) await page.mouse.move(...(await at(place)), { steps: 8 });
      if (!release) return;
      await page.mouse.up();
      await more(before);
    },
    rows,
    more,
  };
}

const ask = (page, path, init) =>
  page.evaluate(async ([at, how]) => (await fetch(at, how)).json(), [path, init]);

/** Looks for words in all pictures, and waits for the suggestions. */
async function labelAll(page, words) {
  const known = (await ask(page, '/v1/runs')).runs.map(({ id }) => id);
  const isDone = ({ id, state }) => state === 'done' && !known.includes(id);
  await page.click('[data-action=label-all]');
  await page.fill('dialog textarea', words);
  await page.click('[data-action=begin-run]');
  while (!(await ask(page, '/v1/runs')).runs.some(isDone)) await page.waitForTimeout(500);
}

/** Takes everything away again. */
async function clear(page) {
  const init = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '{"objects": []}' };
  for (const { id } of (await ask(page, '/v1/images')).images)
    await ask(page, `/v1/images/${id}/objects`, init);
}

async function name(page, row, text) {
  await page.locator('[data-row]').nth(row).dblclick();
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
}

const { page, close } = await openBrowser();
await page.goto(url);
await page.waitForSelector('h1');
await shoot(page, 'welcome');
await openPictures(
  page,
  Object.keys(SIZES).map((picture) => `${examples}${picture}.jpg`),
);
while ((await page.locator('section [title]').count()) < 8) await page.waitForTimeout(100);
await page.waitForTimeout(1500);

await labelAll(page, 'cup\nspoon\ncat\na woman = person\nrocket');
await on(page, 'coffee');
await page.waitForSelector('[data-suggestions]');
await page.locator('canvas').focus();
await page.keyboard.press(' ');
await page.waitForTimeout(900);
await shoot(page, 'suggestions');
await clear(page);
await page.reload();
await page.waitForSelector('canvas[data-ready=true]');

let hands = await on(page, 'chelsea');
await hands.hover([230, 110]);
await shoot(page, 'hover');

hands = await on(page, 'astronaut');
await hands.click([256, 307]);
await page.keyboard.press('n');
await hands.tool('box');
await hands.drag([
  [350, 10],
  [470, 330],
]);
await page.keyboard.press('n');
await hands.drag([
  [282, 348],
  [508, 508],
]);
await hands.tool('point');
await name(page, 2, 'astronaut');
await name(page, 1, 'shuttle');
await name(page, 0, 'helmet');
await page.mouse.move(5, 5);
await page.waitForTimeout(900);
await shoot(page, 'click');

hands = await on(page, 'coffee');
await hands.tool('box');
await hands.drag(
  [
    [168, 12],
    [430, 330],
  ],
  false,
);
await page.waitForTimeout(900);
await shoot(page, 'box');
const before = await hands.rows();
await page.mouse.up();
await hands.more(before);
await page.keyboard.press('n');
await hands.tool('scribble');
await hands.drag(
  [
    [205, 325],
    [260, 362],
    [330, 374],
    [400, 352],
  ],
  false,
);
await page.waitForTimeout(900);
await shoot(page, 'scribble');
await page.mouse.up();
await hands.more(1);

hands = await on(page, 'rocket');
await hands.tool('polygon');
await hands.tap([
  [290, 60],
  [345, 60],
  [352, 200],
  [345, 350],
  [285, 350],
]);
await page.mouse.move(...(await placeOf(page, SIZES.rocket, [280, 200])));
await page.waitForTimeout(200);
await shoot(page, 'polygon');
const rows = await hands.rows();
await page.keyboard.press('Enter');
await hands.more(rows);
await hands.tool('brush');
await page.keyboard.press('+');
await page.waitForTimeout(400);
await page.mouse.move(640, 420);
await page.waitForTimeout(200);
await shoot(page, 'brush');
await page.keyboard.press('0');
await page.keyboard.press('Escape');

hands = await on(page, 'chelsea');
await hands.tool('reference');
await page.waitForSelector('ul .swatch');
await shoot(page, 'reference');
await hands.tool('text');
await page.fill('form input', 'a cat');
await shoot(page, 'text');

hands = await on(page, 'coffee');
await page.click('[aria-label="Light or dark"]');
await hands.tool('everything');
const counted = await hands.rows();
await page.click('[data-action=everything]');
await hands.more(counted);
await page.waitForTimeout(1000);
await page.click('.notice [aria-label=Close]');
await shoot(page, 'everything');
await page.click('[aria-label="Light or dark"]');
for (const [picture, label, state] of [
  ['coffee', 'thing', 'review'],
  ['rocket', 'rocket', 'accepted'],
  ['astronaut', 'person', 'done'],
]) {
  await on(page, picture);
  await page.keyboard.press('Control+a');
  await page.keyboard.press('k');
  await page.fill('[data-palette]', label);
  await page.keyboard.press('Enter');
  await page.selectOption('[data-state]', state);
}
await page.click('[data-action=statistics]');
await page.fill('[data-annotator]', 'Mia');
await page.keyboard.press('Tab');
await page.waitForSelector('[data-table=classes]');
await page.waitForTimeout(400);
await shoot(page, 'statistics');
await page.keyboard.press('Escape');
await on(page, 'coffee');
await page.click('[aria-label="Light or dark"]');
await page.click('button[lang=ja]');
await page.click('header button.primary');
await page.waitForTimeout(900);
await shoot(page, 'export_ja');
await close();

const phone = await openBrowser({ hasTouch: true, isMobile: true, viewport: { width: 412, height: 800 } });
await phone.page.goto(url);
await phone.page.waitForSelector('canvas[data-ready=true]', { timeout: 120_000 });
await phone.page.waitForTimeout(800);
await shoot(phone.page, 'phone');
await phone.close();
