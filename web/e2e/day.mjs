// A day's work, from the first picture to the data sets: `node e2e/day.mjs NAME URL OUT` plays `work` (English),
// `japanese` or `keys` (by keys alone). Each takes minutes.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBrowser } from './browser.mjs';
import { ASTRONAUT, CHELSEA, COFFEE, Hands, name, out, ROCKET, until, url, withStudio } from './hands.mjs';

const PYTHON = process.env.PYTHON ?? 'python3';
/** Parts of each of the four examples: twelve pictures, or fewer for a short day. */
const PARTS = Number(process.env.DAY_PARTS ?? 3);
/** Each picture is a different part of an example. */
const CUT = `
import sys
from PIL import Image
for path in sys.argv[2:]:
    picture = Image.open(path)
    width, height = picture.size
    stem = path.rpartition("/")[2].partition(".")[0]
    for part in range(${PARTS}):
        box = (part * 8, part * 6, width - part * 4, height - part * 10)
        picture.crop(box).save(f"{sys.argv[1]}/{stem}{part}.jpg", quality=92)
`;

const READER = new URL('read_day.py', import.meta.url).pathname;
const LANGUAGES = {
  en: {
    locale: 'en-US',
    annotator: 'Mia',
    classes: ['cup', 'cat', 'person'],
    words: 'cup\ncat\na woman = person',
    comment: 'the border',
  },
  ja: {
    locale: 'ja-JP',
    annotator: '美亜',
    classes: ['カップ', '猫', '人'],
    words: 'カップ\n猫\n女性 = 人',
    comment: '輪郭を直す',
  },
};

function cutPictures() {
  const folder = join(out, 'pictures');
  mkdirSync(folder, { recursive: true });
  const examples = [COFFEE, CHELSEA, ASTRONAUT, ROCKET];
  execFileSync(PYTHON, ['-c', CUT, folder, ...examples.map(({ file }) => file)]);
  return ['coffee', 'chelsea', 'astronaut', 'rocket'].flatMap((stem) =>
    Array.from({ length: PARTS }, (_, part) => join(folder, `${stem}${part}.jpg`)),
  );
}

/** What the server says of the day. */
class Day {
  constructor(page, hands) {
    this.page = page;
    this.hands = hands;
  }

  json(path) {
    return this.page.evaluate(async (at) => (await fetch(at)).json(), path);
  }

  async images() {
    return (await this.json('/v1/images')).images;
  }

  shown() {
    return this.page.getAttribute('canvas', 'data-picture');
  }

  async record(id) {
    return this.json(`/v1/images/${id}`);
  }

  /** Begins the run over all pictures, and waits for its end; returns how many objects it suggested. */
  async labelAll(begin) {
    const runs = async () => (await this.json('/v1/runs')).runs;
    const known = new Set((await runs()).map(({ id }) => id));
    await begin();
    const end = Date.now() + 3_600_000;
    for (;;) {
      const run = (await runs()).find(({ id }) => !known.has(id));
      if (run?.state === 'done') break;
      assert.ok(
        Date.now() < end && ['waiting', 'running', undefined].includes(run?.state),
        `${run?.state}: ${run?.error}`,
      );
      await this.page.waitForTimeout(2000);
    }
    const suggested = (await this.images()).reduce((sum, one) => sum + one.suggested, 0);
    assert.ok(suggested >= 2 * PARTS, `${suggested} objects were suggested`);
    return suggested;
  }

  async saved() {
    await this.page.waitForSelector('[data-saving=saved]', { state: 'attached' });
  }

  /** The exports hold what was accepted, and all readers of them agree. */
  async compare(folders, reviewed) {
    const lines = execFileSync(PYTHON, [READER, ...folders], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const read = JSON.parse(lines.at(-1));
    const counts = {};
    for (const { id } of (await this.images()).filter(({ state }) => state === 'accepted'))
      for (const { label } of (await this.json(`/v1/images/${id}/objects`)).objects)
        counts[label] = (counts[label] ?? 0) + 1;
    assert.deepEqual(read.coco, counts);
    assert.deepEqual(read.yolo, counts);
    assert.equal(read.pictures, reviewed - 1);
    const { seconds, seconds_each: each } = await this.json('/v1/statistics');
    assert.ok(seconds > 0 && each > 0 && each < seconds, `${seconds} s, ${each} s for each object`);
    return { ...read, seconds: Math.round(seconds), seconds_each: each };
  }
}

function unpack(format, path) {
  const target = join(out, format);
  execFileSync(PYTHON, ['-m', 'zipfile', '-e', path, target]);
  return target;
}

/** Twelve pictures, three classes, label all, correct five, review, export COCO and YOLO. */
async function work(language) {
  const { locale, annotator, classes, words, comment } = LANGUAGES[language];
  const play = async (hands, page) => {
    const day = new Day(page, hands);
    assert.equal(await page.getAttribute('html', 'lang'), language);
    await until(async () => (await day.images()).length === 4 * PARTS, 'all pictures');
    // A name, and three classes from a list.
    await page.click('[data-action=statistics]');
    await page.fill('[data-annotator]', annotator);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    const list = join(out, 'classes.txt');
    writeFileSync(list, `${classes.join('\n')}\n`);
    await page.click('aside summary');
    await page.setInputFiles('[data-class-file]', list);
    await until(async () => (await day.json('/v1/classes')).classes.length === 3, 'three classes');
    await page.click('[data-action=label-all]');
    await page.fill('dialog textarea', words);
    const suggested = await day.labelAll(() => page.click('[data-action=begin-run]'));
    // Each picture with suggestions: keys alone accept them, and finish it.
    await page.selectOption('[data-filter]', 'suggested');
    let corrected = 0;
    for (const { id, suggested: count } of (await day.images()).filter((one) => one.suggested > 0)) {
      await page.evaluate((image) => localStorage.setItem('promptseg.picture', image), id);
      await page.reload();
      await page.waitForSelector('canvas[data-ready=true]');
      await until(async () => (await day.shown()) === id, 'the picture');
      await page.locator('canvas').focus();
      for (let at = 0; at < count; at++) {
        await page.keyboard.press(' ');
        await page.keyboard.press('Enter');
      }
      if (corrected < 5) {
        // The brush adds a stroke to the topmost object.
        await page.locator('[data-row]').first().click();
        await hands.tool('brush');
        const box = await page.locator('canvas').boundingBox();
        const version = await hands.version();
        await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
        await page.mouse.down();
        await page.mouse.move(box.x + box.width / 2 + 60, box.y + box.height / 2 + 20, { steps: 5 });
        await page.mouse.up();
        await hands.saved(version);
        corrected += 1;
      }
      await day.saved();
      await page.keyboard.press('q');
      await until(async () => (await day.record(id)).state === 'done', 'its state');
      assert.equal((await day.record(id)).annotator, annotator);
    }
    // Review: one is rejected with a comment, the others are accepted.
    const done = (await day.images()).filter(({ state }) => state === 'done');
    page.on('dialog', (dialog) => dialog.accept(comment));
    await page.selectOption('[data-filter]', 'all');
    for (const [at, { id, name: file }] of done.entries()) {
      await page.click(`section [title^="${file}"]`);
      await until(async () => (await day.shown()) === id, file);
      await page.selectOption('[data-state]', at === 0 ? 'rejected' : 'accepted');
      await until(async () => (await day.record(id)).state !== 'done', 'the review');
    }
    assert.equal((await day.record(done[0].id)).comment, comment);
    await page.screenshot({ path: join(out, 'day.png') });
    const folders = [];
    for (const format of ['coco', 'yolo']) {
      await page.click('header button.primary');
      await page.selectOption('[data-scope]', 'accepted');
      folders.push(unpack(format, await hands.download(format)));
    }
    await page.click('[data-action=statistics]');
    await page.waitForSelector('[data-each]');
    await page.screenshot({ path: join(out, 'statistics.png') });
    console.log(JSON.stringify({ suggested, corrected, ...(await day.compare(folders, done.length)) }));
  };
  await withStudio({ file: cutPictures(), width: 600, height: 400 }, play, { locale });
}

/** Keys that walk over the page. */
class Keys {
  constructor(page) {
    this.page = page;
  }

  press(...keys) {
    return keys.reduce((before, key) => before.then(() => this.page.keyboard.press(key)), Promise.resolve());
  }

  /** Tab, until the focus is on what is wanted. */
  async reach(selector) {
    for (let presses = 0; presses < 200; presses++) {
      const there = await this.page.evaluate((wanted) => document.activeElement.matches(wanted), selector);
      if (there) return;
      await this.press('Tab');
    }
    assert.fail(`Tab does not reach ${selector}`);
  }

  /** An arrow key, until what has the focus has a value. */
  async turn(key, value) {
    for (let presses = 0; presses < 20; presses++) {
      if ((await this.page.evaluate(() => document.activeElement.value)) === value) return;
      await this.press(key);
    }
    assert.fail(`${key} does not lead to ${value}`);
  }
}

/** The same day by keys alone; only what the system's own file chooser does is left out. */
async function keys() {
  const { annotator, classes, words, comment } = LANGUAGES.en;
  const { page, close } = await openBrowser();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('dialog', (dialog) => dialog.accept(comment));
  try {
    await page.addInitScript(() => {
      globalThis.pointers = 0;
      addEventListener('pointerdown', () => globalThis.pointers++, true);
    });
    await page.goto(url);
    await page.waitForSelector('main [data-action=tour]');
    const hand = new Keys(page);
    const hands = new Hands(page, COFFEE);
    const day = new Day(page, hands);
    const choosing = page.waitForEvent('filechooser');
    await hand.press('Control+o');
    await (await choosing).setFiles(cutPictures());
    await page.waitForSelector('canvas[data-ready=true]');
    await until(async () => (await day.images()).length === 4 * PARTS, 'all pictures');
    await hand.reach('[data-action=statistics]');
    await hand.press('Enter');
    await hand.reach('[data-annotator]');
    await page.keyboard.type(annotator);
    await hand.press('Tab', 'Escape');
    for (const name of classes) {
      await hand.press('k');
      await page.waitForSelector('[data-palette]');
      await page.keyboard.type(name);
      await hand.press('Enter');
      await page.waitForSelector('[data-palette]', { state: 'detached' });
    }
    await until(async () => (await day.json('/v1/classes')).classes.length === 3, 'three classes');
    await hand.press('3'); // once more: new objects get no class
    await hand.reach('[data-action=label-all]');
    await hand.press('Enter');
    await hand.reach('dialog textarea');
    await hand.press('Control+a');
    await page.keyboard.insertText(words);
    await hand.reach('[data-action=begin-run]');
    const suggested = await day.labelAll(() => hand.press('Enter'));
    const wanted = (await day.images()).filter((one) => one.suggested > 0).length;
    let [corrected, done] = [0, 0];
    for (let pictures = 0; done < wanted; pictures++) {
      assert.ok(pictures < 40, `${done} of ${wanted} pictures were finished`);
      await page.waitForSelector('canvas[data-ready=true]');
      const id = await day.shown();
      const { suggested: count, state } = await day.record(id);
      if (count === 0 || state !== 'todo') {
        await hand.press('PageDown');
        await until(async () => (await day.shown()) !== id, 'the next picture');
        continue;
      }
      await hand.reach('canvas');
      for (let at = 0; at < count; at++) await hand.press(' ', 'Enter');
      await day.saved();
      await until(async () => (await day.record(id)).suggested === 0, 'what was accepted');
      if (corrected < 5) {
        await hand.reach('[data-row]');
        await hand.press('Enter', 'r');
        await hand.reach('canvas');
        const version = await hands.version();
        await hand.press(
          'ArrowLeft',
          'Enter',
          'ArrowRight',
          'ArrowRight',
          'ArrowDown',
          'ArrowRight',
          'Enter',
        );
        await hands.saved(version);
        corrected += 1;
      }
      await hand.press('q');
      await until(async () => (await day.record(id)).state === 'done', 'its state');
      await until(async () => (await day.shown()) !== id, 'the next picture');
      done += 1;
    }
    // Review: one is rejected with a comment, the others are accepted.
    for (let judged = 0; judged < done; ) {
      const id = await day.shown();
      if ((await day.record(id)).state === 'done') {
        await hand.reach('[data-state]');
        await page.keyboard.type(judged === 0 ? 'Rej' : 'Acc');
        const state = judged === 0 ? 'rejected' : 'accepted';
        await until(async () => (await day.record(id)).state === state, 'the review');
        judged += 1;
        await hand.press('Tab'); // off the list of states, in which PageDown would choose
      }
      if (judged === done) break;
      await hand.press('PageDown');
      if ((await day.images()).at(-1).id === id) await hand.press(...Array(4 * PARTS).fill('PageUp'));
      await until(async () => (await day.shown()) !== id, 'the next picture');
    }
    assert.equal((await day.images()).filter((one) => one.comment === comment).length, 1);
    const folders = [];
    for (const format of ['coco', 'yolo']) {
      await hand.press('Control+e');
      await hand.reach('[data-scope]');
      await page.keyboard.type('Acc');
      await hand.reach('input[name=format]');
      await hand.turn('ArrowRight', format);
      await hand.reach('dialog button.primary');
      const waiting = page.waitForEvent('download');
      await hand.press('Enter');
      const path = join(out, `${format}.zip`);
      await (await waiting).saveAs(path);
      folders.push(unpack(format, path));
      await page.waitForSelector('dialog', { state: 'detached' });
    }
    await page.screenshot({ path: join(out, 'keys.png') });
    assert.equal(await page.evaluate(() => globalThis.pointers), 0);
    assert.deepEqual(errors, []);
    console.log(JSON.stringify({ suggested, corrected, ...(await day.compare(folders, done)) }));
  } finally {
    await close();
  }
}

const SCENARIOS = { work: () => work('en'), japanese: () => work('ja'), keys };

await SCENARIOS[name]();
