// The hands of a scenario: they open the studio, point, drag and wait as a user does.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBrowser, openPictures, PATIENCE_MS, placeOf } from './browser.mjs';

const examples = new URL('../../examples/', import.meta.url).pathname;
export const COFFEE = { file: `${examples}coffee.jpg`, width: 600, height: 400 };
export const CHELSEA = { file: `${examples}chelsea.jpg`, width: 451, height: 300 };
export const ASTRONAUT = { file: `${examples}astronaut.jpg`, width: 512, height: 512 };
export const ROCKET = { file: `${examples}rocket.jpg`, width: 640, height: 427 };

/** What a run was told: which scenario, the server's address, the folder of downloads. */
export const [name, url, out] = process.argv.slice(2);

/** A page of the studio with hands. */
export class Hands {
  constructor(page, size) {
    this.page = page;
    this.size = size;
  }

  async at(place) {
    return placeOf(this.page, this.size, place);
  }

  async hover(place) {
    await this.page.mouse.move(...(await this.at(place)));
  }

  /** Clicks and waits until the answer is there and saved. */
  async click(place, options = {}) {
    const version = await this.version();
    if (options.alt) await this.page.keyboard.down('Alt');
    await this.page.mouse.click(...(await this.at(place)), { button: options.button ?? 'left' });
    if (options.alt) await this.page.keyboard.up('Alt');
    await this.saved(version);
  }

  async drag(places) {
    const version = await this.version();
    await this.page.mouse.move(...(await this.at(places[0])));
    await this.page.mouse.down();
    for (const place of places.slice(1)) await this.page.mouse.move(...(await this.at(place)), { steps: 6 });
    await this.page.mouse.up();
    await this.saved(version);
  }

  async tool(tool) {
    await this.page.click(`[data-tool=${tool}]`);
  }

  async stored() {
    return this.page.evaluate(async () => {
      const id = localStorage.getItem('promptseg.picture');
      return (await fetch(`/v1/images/${id}/objects`)).json();
    });
  }

  async version() {
    return (await this.stored()).version;
  }

  async saved(version) {
    await until(async () => (await this.version()) > version);
    await this.page.waitForSelector('[data-saving=saved]', { state: 'attached' });
  }

  /** Opens a picture by its name in the strip. */
  async show(name, size) {
    await this.page.click(`section [title^="${name}.jpg"]`);
    this.size = size;
    await this.page.waitForSelector('canvas[data-ready=true]');
    await until(async () => (await this.page.getAttribute('canvas', 'data-picture')) !== null, 'the picture');
  }

  /** What the server has of a picture, by its name. */
  async kept(name) {
    return this.page.evaluate(async (wanted) => {
      const { images } = await (await fetch('/v1/images')).json();
      const { id } = images.find((image) => image.name === `${wanted}.jpg`);
      return (await fetch(`/v1/images/${id}/objects`)).json();
    }, name);
  }

  async key(key) {
    await this.page.keyboard.press(key);
  }

  rows() {
    return this.page.locator('[data-row]');
  }

  async names() {
    return (await this.rows().allTextContents()).map((text) => text.trim());
  }

  async export(format) {
    await this.page.click('header button.primary');
    return this.download(format);
  }

  /** Downloads a format from the open dialog. */
  async download(format) {
    await this.page.check(`input[name=format][value=${format}]`);
    const waiting = this.page.waitForEvent('download');
    await this.page.click('dialog button.primary');
    const download = await waiting;
    const path = join(out, `${format}-${download.suggestedFilename()}`);
    await download.saveAs(path);
    return path;
  }
}

export async function until(condition, what = 'what was awaited') {
  const end = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export async function withStudio(picture, play, options = {}) {
  const { page, close } = await openBrowser(options);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  try {
    await page.goto(url + (options.query ?? ''));
    await openPictures(page, [picture.file].flat());
    await play(new Hands(page, picture), page);
    assert.deepEqual(errors, []);
  } finally {
    await close();
  }
}

export function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** Faults that axe finds; serious and critical ones, if nothing else is said. */
export async function faults(page, least = ['serious', 'critical']) {
  const source = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
  await page.evaluate(source);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      resultTypes: ['violations'],
      rules: { 'target-size': { enabled: true } },
    }),
  );
  return violations
    .filter(({ impact }) => least.includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}
