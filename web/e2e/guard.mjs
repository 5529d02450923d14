// No work is ever lost or misplaced: what would lose it, step by step. `node e2e/guard.mjs NAME URL OUT` plays one.

import assert from 'node:assert/strict';
import { ASTRONAUT, CHELSEA, COFFEE, name, ROCKET, until, withStudio } from './hands.mjs';

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
      let release;
      const held = new Promise((resolve) => {
        release = resolve;
      });
      await page.route('**/file', async (route) => {
        await held;
        await route.continue();
      });
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
};

await SCENARIOS[name]();
