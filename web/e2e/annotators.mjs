// Two annotators work on one server at the same time: `node e2e/annotators.mjs SECONDS URL OUT`. Nothing that was answered
// is lost, and the versions of every picture go up one by one; what was found is printed as JSON.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { FLAGS, openPictures, PATIENCE_MS, placeOf } from './browser.mjs';
import { CHELSEA, COFFEE, ROCKET, until } from './hands.mjs';

const [seconds, url] = process.argv.slice(2);
const PICTURES = { coffee: COFFEE, chelsea: CHELSEA, rocket: ROCKET };

/** Numbers that look random and are always the same. */
function chances(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

class Annotator {
  /** Objects that this annotator has taken away. */
  dropped = new Set();
  /** Objects that the page has shown as saved. */
  answered = new Set();
  saves = [];
  conflicts = 0;
  waits = [];
  clicks = 0;

  constructor(page, name, seed) {
    this.page = page;
    this.name = name;
    this.chance = chances(seed);
    page.on('response', (response) => this.hear(response));
  }

  /** Notes what was stored: with which version, made from which. */
  async hear(response) {
    const request = response.request();
    const match = /images\/([0-9a-f]+)\/objects$/.exec(request.url());
    if (!match || request.method() !== 'PUT') return;
    if (response.status() === 409) this.conflicts += 1;
    if (!response.ok()) return;
    const { base_version: base, objects } = request.postDataJSON();
    const ids = objects.map(({ id }) => id);
    const save = { picture: match[1], base, ids, by: this };
    this.saves.push(save);
    save.version = (await response.json()).version;
  }

  rows() {
    return this.page.$$eval('[data-row]', (rows) => rows.map((row) => row.dataset.row));
  }

  async saved() {
    await this.page.waitForSelector('[data-saving=saved]', { state: 'attached' });
    for (const id of await this.rows()) this.answered.add(id);
  }

  /** A key that takes objects away, and which. */
  async take(key) {
    const before = await this.rows();
    await this.page.keyboard.press(key);
    const left = new Set(await this.rows());
    for (const id of before) if (!left.has(id)) this.dropped.add(id);
  }

  async place() {
    const id = await this.page.getAttribute('canvas', 'data-picture');
    const { width, height } = this.sizes.get(id);
    const [x, y] = [0.05 + 0.9 * this.chance(), 0.05 + 0.9 * this.chance()];
    return placeOf(this.page, { width, height }, [x * width, y * height]);
  }

  async click() {
    const began = performance.now();
    await this.page.keyboard.press('n');
    await this.page.mouse.click(...(await this.place()));
    this.clicks += 1;
    await this.saved();
    this.waits.push(performance.now() - began);
  }

  async step() {
    const { page } = this;
    const choice = this.chance();
    if (choice < 0.55) await this.click();
    else if (choice < 0.65) await page.keyboard.press('1');
    else if (choice < 0.75) {
      await page.keyboard.press('r');
      await page.mouse.move(...(await this.place()));
      await page.mouse.down();
      await page.mouse.move(...(await this.place()), { steps: 4 });
      await page.mouse.up();
      await page.keyboard.press('c');
    } else if (choice < 0.83) await this.take('Delete');
    else if (choice < 0.88) await this.take('Control+z');
    else {
      const before = await page.getAttribute('canvas', 'data-picture');
      await page.keyboard.press(choice < 0.94 ? 'PageDown' : 'PageUp');
      await until(async () => (await page.getAttribute('canvas', 'data-picture')) !== null, 'a picture');
      if (before !== (await page.getAttribute('canvas', 'data-picture'))) this.moved = (this.moved ?? 0) + 1;
    }
    await this.saved();
  }
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});
try {
  const people = [];
  for (const [at, name] of ['Mia', 'Ken'].entries()) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      serviceWorkers: 'block',
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    await page.addInitScript((who) => localStorage.setItem('promptseg.annotator', who), name);
    await page.goto(url);
    if (at === 0)
      await openPictures(
        page,
        Object.values(PICTURES).map(({ file }) => file),
      );
    await page.waitForSelector('canvas[data-ready=true]');
    people.push(new Annotator(page, name, 11 + at));
  }
  const ask = (path) => people[0].page.evaluate(async (at) => (await fetch(at)).json(), path);
  await until(async () => (await ask('/v1/images')).images.length === 3, 'three pictures');
  await people[0].page.evaluate(async () =>
    fetch('/v1/classes', {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ classes: [{ name: 'thing' }] }),
    }),
  );
  const { images } = await ask('/v1/images');
  const end = Date.now() + 1000 * Number(seconds);
  const work = async (person) => {
    person.sizes = new Map(images.map((image) => [image.id, image]));
    while (Date.now() < end) await person.step();
    await person.saved();
  };
  await Promise.all(people.map(work));
  await until(async () => people.every(({ saves }) => saves.every(({ version }) => version)), 'all versions');

  // Versions go up one by one; who drops an object has taken it away.
  const [lost, gaps] = [[], []];
  const dropped = new Set(people.flatMap((person) => [...person.dropped]));
  const last = new Map();
  for (const { id } of images) {
    const saves = people.flatMap((person) => person.saves.filter(({ picture }) => picture === id));
    saves.sort((a, b) => a.version - b.version);
    let before = [];
    for (const [at, save] of saves.entries()) {
      if (save.version !== at + 1 || save.base !== at) gaps.push([id, at, save.version, save.base]);
      const now = new Set(save.ids);
      for (const one of before)
        if (!now.has(one) && !save.by.dropped.has(one)) lost.push([id, save.version, one]);
      before = save.ids;
    }
    const stored = await ask(`/v1/images/${id}/objects`);
    assert.equal(stored.version, saves.length);
    const ids = stored.objects.map((object) => object.id);
    assert.deepEqual(ids, before);
    last.set(id, ids);
  }
  const kept = new Set([...last.values()].flat());
  for (const { answered } of people)
    for (const id of answered) if (!kept.has(id) && !dropped.has(id)) lost.push(id);
  // Both see in the end what the server has.
  for (const person of people) {
    const id = await person.page.getAttribute('canvas', 'data-picture');
    const same = async () => [...(await person.rows())].sort().join() === [...last.get(id)].sort().join();
    await until(same, `${person.name} sees what there is`);
  }
  const sum = (of) => people.reduce((total, person) => total + of(person), 0);
  const waits = people.flatMap((person) => person.waits).sort((a, b) => a - b);
  const result = {
    seconds: Number(seconds),
    clicks: sum(({ clicks }) => clicks),
    answered: new Set(people.flatMap(({ answered }) => [...answered])).size,
    taken_away: dropped.size,
    kept: kept.size,
    saves: sum(({ saves }) => saves.length),
    conflicts: sum(({ conflicts }) => conflicts),
    click_to_saved_ms: [0.5, 0.95].map((share) => Math.round(waits[Math.floor(share * (waits.length - 1))])),
    lost: lost.length,
    gaps: gaps.length,
  };
  console.log(JSON.stringify(result));
  assert.deepEqual([lost, gaps], [[], []]);
  assert.ok(result.conflicts > 0 || Number(seconds) < 60, 'the two never met');
} finally {
  await browser.close();
}
