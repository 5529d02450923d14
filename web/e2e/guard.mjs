// No work is ever lost or misplaced: what would lose it, step by step. `node e2e/guard.mjs NAME URL OUT` plays one.

import assert from 'node:assert/strict';
import { openBrowser, openPictures } from './browser.mjs';
import { ASTRONAUT, CHELSEA, COFFEE, Hands, name, ROCKET, until, url, withStudio } from './hands.mjs';

const ALL = { ...COFFEE, file: [COFFEE, CHELSEA, ASTRONAUT, ROCKET].map(({ file }) => file) };

const SCENARIOS = {
  /** A picture is come back to while its file loads slowly: nothing that is done meanwhile falls on it. */
  async slow() {
    await withStudio(ALL, async (hands, page) => {
      await until(
        async () => (await page.locator('section [title*=".jpg · "]').count()) === 4,
        'four pictures',
      );
      await hands.click([290, 210]);
      const { objects } = await hands.kept('coffee');
      await hands.show('astronaut', ASTRONAUT);
      await hands.show('rocket', ROCKET);
      await hands.show('chelsea', CHELSEA);
      await hands.click([230, 110]);
      await hands.key('n');
      await hands.click([60, 200]);
      const release = await hold(page, '**/file');
      await page.click('section [title^="coffee.jpg"]');
      await page.waitForTimeout(700);
      assert.equal(await hands.rows().count(), 0, "the other picture's objects are on show");
      await page.keyboard.press('Control+a');
      for (const key of ['Delete', 'm', 'd']) await hands.key(key);
      await page.keyboard.press('Control+z');
      hands.size = COFFEE;
      await page.mouse.click(...(await hands.at([450, 300])));
      await page.waitForTimeout(700);
      assert.deepEqual((await hands.kept('coffee')).objects, objects);
      release();
      await until(async () => (await hands.rows().count()) === 1, 'the work on the picture');
      await hands.click([300, 300]);
      assert.deepEqual(
        (await hands.kept('coffee')).objects.map(({ id }) => id),
        objects.map(({ id }) => id),
      );
      assert.equal((await hands.kept('chelsea')).objects.length, 2);
    });
  },

  /** Fast hands: each click is bound to its object of its picture from the moment it is made. */
  async fast() {
    const { page, close } = await openBrowser();
    try {
      let release = await hold(page, /decoder\.onnx/);
      await page.goto(url);
      await openPictures(page, ALL.file.slice(0, 2));
      const hands = new Hands(page, COFFEE);
      await until(
        async () => (await page.locator('section [title*=".jpg · "]').count()) === 2,
        'two pictures',
      );
      const tap = async (place) => page.mouse.click(...(await hands.at(place)));
      await tap([290, 210]);
      await hands.key('n');
      await tap([440, 120]);
      await page.waitForTimeout(300);
      assert.notEqual(await page.getAttribute('[data-saving]', 'data-saving'), 'saved');
      assert.ok(isGreen(await colourAt(page, await hands.at([290, 206]))), 'the first click has no marker');
      assert.ok(isGreen(await colourAt(page, await hands.at([440, 116]))), 'the second click has no marker');
      await tap([460, 130]);
      await hands.key('PageDown');
      await release();
      await until(async () => (await hands.kept('coffee')).objects.length === 2, 'two objects');
      await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
      const points = (objects) => objects.map(({ prompts }) => prompts.map(({ positive }) => positive));
      assert.deepEqual(points((await hands.kept('coffee')).objects), [[true], [true, true]]);
      assert.equal((await hands.kept('chelsea')).objects.length, 0);

      release = await hold(page, /retouch\.onnx/);
      await page.reload();
      await page.waitForSelector('canvas[data-ready=true]');
      hands.size = CHELSEA;
      await hands.click([230, 110]);
      await page.keyboard.down('Alt');
      await tap([60, 200]);
      await page.keyboard.up('Alt');
      await page.click('[data-value=part]');
      await release();
      await until(async () => (await hands.kept('chelsea')).objects[0].granularity === 'part', 'a part');
      await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
      assert.deepEqual(points((await hands.kept('chelsea')).objects), [[true, false]]);
      // Undo takes back what was just asked, and brushes wait for their turn.
      release = await hold(page, '**/objects');
      await hands.key('n');
      await tap([60, 60]);
      await page.keyboard.press('Control+z');
      await release();
      await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
      assert.equal((await hands.kept('chelsea')).objects.length, 1);
    } finally {
      await close();
    }
  },
};

/** Keeps requests waiting, until what it returns is called. */
async function hold(page, pattern) {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const wait = async (route) => {
    await held;
    await route.continue().catch(() => undefined);
  };
  await page.context().route(pattern, wait);
  return async () => {
    release();
    await page.context().unroute(pattern, wait);
  };
}

async function colourAt(page, [x, y]) {
  return page.evaluate(
    ([left, top]) => {
      const canvas = document.querySelector('canvas');
      const box = canvas.getBoundingClientRect();
      const ratio = devicePixelRatio;
      return [
        ...canvas.getContext('2d').getImageData((left - box.left) * ratio, (top - box.top) * ratio, 1, 1)
          .data,
      ];
    },
    [x, y],
  );
}

const isGreen = ([red, green, blue]) => green > red + 60 && green > blue + 40;

await SCENARIOS[name]();
