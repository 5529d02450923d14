// What a user does in the studio, step by step. `node e2e/scenarios.mjs NAME URL OUT` plays one; it fails by an error.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBrowser, openPictures } from './browser.mjs';
import {
  ASTRONAUT,
  CHELSEA,
  COFFEE,
  faults,
  Hands,
  name,
  out,
  readJson,
  until,
  url,
  withStudio,
} from './hands.mjs';

const SCENARIOS = {
  /** A little of everything, in whatever browser: the decoder runs in the page, clicks are answered, saved, exported, and still there. */
  async smoke() {
    await withStudio(COFFEE, async (hands, page) => {
      assert.equal(await page.getAttribute('main', 'data-decoder'), 'browser');
      await hands.hover([290, 210]);
      await page.waitForSelector('canvas[data-preview]');
      await hands.click([290, 210]);
      await hands.click([440, 120], { alt: true });
      await hands.key('n');
      await hands.tool('box');
      await hands.drag([
        [322, 250],
        [415, 400],
      ]);
      await hands.tool('brush');
      await hands.drag([
        [330, 260],
        [380, 300],
      ]);
      const [first, second] = (await hands.stored()).objects;
      assert.deepEqual(
        first.prompts.map(({ positive }) => positive),
        [true, false],
      );
      assert.ok(first.area > 10_000 && second.area > 5000, `${first.area} and ${second.area} pixels`);
      assert.ok(first.seconds > 0, 'no time was counted');
      await page.screenshot({ path: join(out, 'smoke.png') });
      // Playwright does not hear of downloads in Firefox: what is sent is asked for once more.
      await page.click('header button.primary');
      await page.check('input[name=format][value=coco]');
      await page.click('dialog button.primary');
      await page.waitForSelector('dialog', { state: 'detached' });
      const { annotations } = await page.evaluate(async () => {
        const id = localStorage.getItem('promptseg.picture');
        return (await fetch(`/v1/images/${id}/export?format=coco`, { method: 'POST' })).json();
      });
      assert.equal(await page.locator('.notice').count(), 0);
      assert.deepEqual(
        annotations.map(({ area }) => area),
        [first.area, second.area],
      );
      await page.click('button[lang=ja]');
      assert.equal(await page.getAttribute('html', 'lang'), 'ja');
      await page.reload();
      await page.waitForSelector('canvas[data-ready=true]');
      await until(async () => (await hands.rows().count()) === 2, 'the work after a reload');
      await page.keyboard.press('Control+a');
      const version = await hands.version();
      await hands.key('Delete');
      await hands.saved(version);
      assert.equal((await hands.stored()).objects.length, 0);
    });
  },

  /** Every prompt type, exported; pytest compares the masks with the Python API's. */
  async prompts() {
    await withStudio(COFFEE, async (hands, page) => {
      await hands.hover([290, 210]);
      await page.waitForSelector('canvas[data-preview]');
      await hands.click([290, 210]);
      await hands.click([440, 120], { alt: true });
      await hands.click([250, 330]);
      await hands.key('n');
      await hands.tool('box');
      await hands.drag([
        [322, 250],
        [415, 400],
      ]);
      await hands.tool('polygon');
      const version = await hands.version();
      for (const corner of [
        [170, 40],
        [420, 40],
        [420, 230],
        [170, 230],
      ])
        await page.mouse.click(...(await hands.at(corner)));
      await hands.key('Enter');
      await hands.saved(version);
      await hands.key('n');
      await hands.tool('scribble');
      await hands.drag([
        [240, 215],
        [290, 225],
        [340, 220],
      ]);
      await hands.key('n');
      await hands.tool('point');
      await page.click('[data-value=whole]');
      await hands.click([500, 330]);
      assert.equal(await hands.rows().count(), 5);
      await hands.export('png');
      await hands.export('coco');
      writeFileSync(join(out, 'objects.json'), JSON.stringify(await hands.stored()));
    });
  },

  /** The last pixels, and the way back. */
  async pixels() {
    await withStudio(COFFEE, async (hands, page) => {
      const area = async () => (await hands.export('coco').then(readJson)).annotations[0].area;
      await hands.tool('brush');
      await hands.drag([
        [60, 60],
        [160, 60],
      ]);
      const painted = await area();
      assert.ok(painted > 1000, `${painted} pixels painted`);
      await hands.tool('eraser');
      await hands.drag([
        [110, 30],
        [110, 90],
      ]);
      const wiped = await area();
      assert.ok(wiped < painted && wiped > painted / 2);
      let version = await hands.version();
      await page.click('button:has-text("Split")');
      await hands.saved(version);
      assert.equal(await hands.rows().count(), 2);
      version = await hands.version();
      await page.keyboard.press('Control+a');
      await page.click('button:has-text("Merge")');
      await hands.saved(version);
      assert.equal(await hands.rows().count(), 1);
      assert.equal(await area(), wiped);
      for (const expected of [2, 1, 1, 0]) {
        await page.keyboard.press('Control+z');
        assert.equal(await hands.rows().count(), expected);
      }
      await page.keyboard.press('Control+y');
      await page.waitForSelector('[data-saving=saved]');
      assert.equal(await area(), painted);
    });
  },

  /** Work survives a reload; pytest restarts the server between `leave` and `return`. */
  async leave() {
    await withStudio(CHELSEA, async (hands, page) => {
      await hands.click([230, 110]);
      await page.click('button[aria-label="Rename Object 1"]');
      await page.keyboard.type('Chelsea');
      const version = await hands.version();
      await hands.key('Enter');
      await hands.saved(version);
      const before = await hands.stored();
      await page.reload();
      await page.waitForSelector('canvas[data-ready=true]');
      assert.deepEqual(await hands.names(), ['Chelsea']);
      assert.deepEqual((await hands.stored()).objects, before.objects);
    });
  },

  async return() {
    const { page, close } = await openBrowser();
    try {
      await page.goto(url);
      await page.waitForSelector('canvas[data-ready=true]');
      const hands = new Hands(page, CHELSEA);
      assert.deepEqual(await hands.names(), ['Chelsea']);
      // Refining goes on from the stored mask, though the logits of the first round are gone.
      await hands.rows().click();
      await hands.click([60, 200]);
      assert.equal((await hands.stored()).objects[0].prompts.length, 2);
    } finally {
      await close();
    }
  },

  /** Without a mouse: open, point, refine, name, reorder, delete. */
  async keyboard() {
    await withStudio(CHELSEA, async (hands, page) => {
      await page.focus('canvas');
      let version = await hands.version();
      for (const key of ['ArrowRight', 'ArrowUp', 'Enter']) await hands.key(key);
      await hands.saved(version);
      await hands.key('Escape');
      for (let step = 0; step < 12; step++) await hands.key('ArrowDown');
      version = await hands.version();
      await hands.key('Enter');
      await hands.saved(version);
      assert.equal(await hands.rows().count(), 2);
      await hands.rows().first().focus();
      await hands.key('F2');
      await page.keyboard.type('lower');
      version = await hands.version();
      await hands.key('Enter');
      await hands.saved(version);
      version = await hands.version();
      await hands.key('Alt+ArrowDown');
      await hands.saved(version);
      assert.deepEqual(await hands.names(), ['Object 1', 'lower']);
      version = await hands.version();
      await hands.key('Delete');
      await hands.saved(version);
      assert.equal(await hands.rows().count(), 1);
      assert.match(await page.locator('[data-spoken]').textContent(), /Deleted/);
    });
  },

  /** A COCO file of somebody else is imported and corrected; several pictures; everything. */
  async labels() {
    await withStudio({ ...COFFEE, file: [COFFEE.file, CHELSEA.file] }, async (hands, page) => {
      const coco = {
        images: [{ id: 1, width: 600, height: 400, file_name: 'coffee.jpg' }],
        categories: [{ id: 3, name: 'cup' }],
        annotations: [
          {
            id: 1,
            image_id: 1,
            category_id: 3,
            segmentation: [[180, 60, 400, 60, 400, 240, 180, 240]],
            bbox: [180, 60, 220, 180],
            area: 39600,
            iscrowd: 0,
          },
        ],
      };
      let version = await hands.version();
      const buffer = Buffer.from(JSON.stringify(coco));
      await page.setInputFiles('main > input[type=file]', {
        name: 'labels.json',
        mimeType: 'application/json',
        buffer,
      });
      await hands.saved(version);
      assert.equal((await hands.stored()).objects[0].label, 'cup');
      await hands.rows().click();
      await hands.click([290, 210]);
      const [cup] = (await hands.stored()).objects;
      assert.deepEqual(
        cup.prompts.map(({ type }) => type),
        ['mask', 'point'],
      );
      await hands.tool('everything');
      version = await hands.version();
      await page.click('[data-action=everything]');
      await page.click('[data-choice=new]');
      await hands.saved(version);
      assert.ok((await hands.rows().count()) > 5);
      await hands.tool('text');
      const before = await hands.rows().count();
      version = await hands.version();
      await page.fill('input[aria-label="What to look for"]', 'a cup');
      await hands.key('Enter');
      await hands.saved(version);
      assert.ok((await hands.rows().count()) > before);
      await hands.key('Escape');
      await page.click('section[aria-label=Pictures] button[aria-label="chelsea.jpg"]');
      await until(async () => (await hands.rows().count()) === 0);
    });
  },

  /** What was asked can be moved, the other two of part, object and whole are at hand, masks are tidied and copied. */
  async finishing() {
    await withStudio({ ...COFFEE, file: [COFFEE.file, CHELSEA.file] }, async (hands, page) => {
      const object = async (at = 0) => (await hands.stored()).objects[at];
      await hands.click([290, 210]);
      const whole = await object();
      // Beside the click, as long as the mouse is near.
      await hands.hover([300, 215]);
      let version = await hands.version();
      await page.click('[data-alternative=part]');
      await hands.saved(version);
      assert.equal((await object()).granularity, 'part');
      await hands.hover([560, 380]);
      await page.waitForSelector('[data-alternatives]', { state: 'detached' });
      // The point is dragged to another place; with Alt, a second one is left out again.
      await hands.drag([
        [290, 210],
        [400, 330],
        [440, 330],
      ]);
      let moved = await object();
      assert.deepEqual([Math.round(moved.prompts[0].x), Math.round(moved.prompts[0].y)], [440, 330]);
      assert.notEqual(moved.segmentation.counts, whole.segmentation.counts);
      await hands.click([450, 120]);
      assert.equal((await object()).prompts.length, 2);
      await hands.click([450, 120], { alt: true });
      assert.equal((await object()).prompts.length, 1);
      // A corner of a box.
      await hands.tool('box');
      await hands.drag([
        [150, 60],
        [480, 370],
      ]);
      await hands.drag([
        [480, 370],
        [520, 385],
      ]);
      moved = await object(1);
      assert.deepEqual(moved.prompts[0].box.map(Math.round), [150, 60, 520, 385]);
      await page.keyboard.press('Control+z');
      await until(async () => Math.round((await object(1)).prompts[0].box[2]) === 480, 'the way back');
      // Tidying, and a copy to the next picture.
      version = await hands.version();
      await page.click('[data-action=smooth]');
      await hands.saved(version);
      assert.deepEqual((await object(1)).prompts, []);
      await hands.key('o');
      await page.waitForSelector('.notice:has-text("Copied 1 object to chelsea.jpg")');
      await until(async () => (await hands.kept('chelsea')).objects.length === 1, 'the copy');
      assert.deepEqual((await hands.kept('chelsea')).objects[0].segmentation.size, [300, 451]);
      // A server without ears says so, kindly.
      await hands.tool('text');
      const speech = page.locator('[data-speech]');
      if ((await speech.getAttribute('class')).includes('off')) {
        await speech.click();
        await page.waitForSelector('.notice:has-text("does not understand speech")');
      }
    });
  },

  /** Corners of a polygon snap to outlines and to the border, edges follow them; vertices are moved, made and left out. */
  async polygon() {
    await withStudio(COFFEE, async (hands, page) => {
      const coco = {
        images: [{ id: 1, width: 600, height: 400, file_name: 'coffee.jpg' }],
        categories: [{ id: 1, name: 'cup' }],
        annotations: [
          { id: 1, image_id: 1, category_id: 1, segmentation: [[180, 60, 400, 60, 400, 240, 180, 240]] },
        ],
      };
      const version = await hands.version();
      await page.setInputFiles('main > input[type=file]', {
        name: 'labels.json',
        mimeType: 'application/json',
        buffer: Buffer.from(JSON.stringify(coco)),
      });
      await hands.saved(version);
      await hands.tool('polygon');
      const tap = async (place) => {
        await page.waitForTimeout(550); // two quick clicks would be a double click
        await page.mouse.click(...(await hands.at(place)));
      };
      const drawn = async (corners, keys = []) => {
        const before = await hands.version();
        for (const corner of corners) await tap(corner);
        for (const key of [...keys, 'Enter']) await hands.key(key);
        await hands.saved(before);
        return (await hands.stored()).objects.at(-1).prompts[0].points;
      };
      const near = (points, wanted) => {
        const far =
          points.length !== wanted.length ||
          points.some((one, at) => Math.hypot(one[0] - wanted[at][0], one[1] - wanted[at][1]) > 1.5);
        assert.ok(!far, `${JSON.stringify(points)} is not ${JSON.stringify(wanted)}`);
      };
      // Beside the square: the edge goes around its corner, exactly.
      const beside = await drawn([
        [403, 100],
        [390, 243],
        [480, 300],
      ]);
      near(beside, [
        [400, 100],
        [400, 240],
        [390, 240],
        [480, 300],
      ]);
      assert.deepEqual([beside[0][0], beside[1], beside[2][1]], [400, [400, 240], 240]);
      // Along the border, around the picture's corner; a corner that is taken back takes its way along.
      await hands.key('n');
      const along = await drawn(
        [
          [300, 2],
          [2, 200],
          [100, 120],
          [597, 100],
        ],
        ['Backspace'],
      );
      near(along, [
        [300, 0],
        [0, 0],
        [0, 200],
        [100, 120],
      ]);
      // With Shift, corners lie where they are put.
      await hands.key('n');
      await page.keyboard.down('Shift');
      const places = [
        [403, 100],
        [397, 243],
        [480, 300],
      ];
      for (const place of places) await tap(place);
      await page.keyboard.up('Shift');
      near(await drawn([]), places);
      // Vertices: one is moved to the border, the middle of an edge becomes one, and is left out again.
      await page.screenshot({ path: join(out, 'polygon.png') });
      const points = async () => (await hands.stored()).objects.at(-1).prompts[0].points;
      await hands.drag([places[2], [540, 350], [560, 397.5]]);
      near(await points(), [places[0], places[1], [560, 399.5]]);
      await hands.drag([
        [400, 171.5],
        [430, 171.5],
        [440, 171.5],
      ]);
      near(await points(), [places[0], [440, 171.5], places[1], [560, 399.5]]);
      await hands.click([440, 171.5], { alt: true });
      near(await points(), [places[0], places[1], [560, 399.5]]);
    });
  },

  /** Who stops a search keeps what it has found until then, and is told so. */
  async stopping() {
    await withStudio(ASTRONAUT, async (hands, page) => {
      await hands.tool('everything');
      const version = await hands.version();
      await page.click('[data-action=everything]');
      await page.waitForFunction(() => (document.querySelector('.options progress')?.value ?? 0) > 0);
      await page.click('.options button:has-text("Stop")');
      await page.waitForSelector('.notice:has-text("was stopped")');
      const told = await page.textContent('.notice:has-text("was stopped")');
      const count = Number(/(\d+) objects? (?:was|were) found/.exec(told)[1]);
      if (count > 0) await hands.saved(version);
      assert.equal((await hands.stored()).objects.length, count, told);
      assert.equal(await hands.rows().count(), count);
    });
  },

  /** Who has no picture takes a sample, and the tour tells what there is. */
  async first() {
    const { page, close } = await openBrowser();
    try {
      await page.goto(url);
      await page.click('main [data-action=tour]');
      await page.waitForSelector('[data-tour="0"]');
      await page.screenshot({ path: join(out, 'tour.png') });
      await page.waitForSelector('[data-tour="2"]'); // by itself
      await page.click('[data-tour] button:has-text("Skip")');
      await page.waitForSelector('[data-tour]', { state: 'detached' });
      await until(
        async () => (await page.locator('section [title*=".jpg · "]').count()) === 4,
        'four samples',
      );
    } finally {
      await close();
    }
  },

  /** Classes: by number, for what comes and what is selected, from words, renamed everywhere, and in what is exported. */
  async classes() {
    await withStudio({ ...COFFEE, file: [COFFEE.file, CHELSEA.file] }, async (hands, page) => {
      const labels = async (name) => (await hands.kept(name)).objects.map(({ label }) => label);
      const list = () =>
        page.evaluate(async () =>
          (await (await fetch('/v1/classes')).json()).classes.map(({ name }) => name),
        );
      const active = page.locator('[data-active-class]');
      await page.click('summary:has-text("Classes")');
      for (const name of ['cup', 'spoon']) {
        await page.fill('aside form input', name);
        await hands.key('Enter');
      }
      await until(async () => (await list()).length === 2, 'two classes');
      await page.focus('canvas');
      await hands.key('1');
      assert.equal(await active.textContent(), 'cup');
      await page.click('section [title^="chelsea.jpg"]');
      await page.waitForSelector('canvas[data-ready=true]');
      hands.size = CHELSEA;
      await hands.click([230, 110]);
      assert.deepEqual(await labels('chelsea'), ['cup']);
      await hands.show('coffee', COFFEE);
      await hands.click([290, 210]);
      await hands.key('n');
      await page.click('[data-class=spoon]');
      await hands.click([440, 120]);
      await hands.key('n');
      await hands.key('2');
      assert.equal(await active.count(), 0);
      await hands.click([60, 60]);
      assert.deepEqual(await labels('coffee'), ['cup', 'spoon', null]);
      // All that is selected, in one step; undo takes it back.
      await page.keyboard.press('Control+a');
      let version = await hands.version();
      await hands.key('2');
      await hands.saved(version);
      assert.deepEqual(await labels('coffee'), ['spoon', 'spoon', 'spoon']);
      version = await hands.version();
      await page.keyboard.press('Control+z');
      await hands.saved(version);
      assert.deepEqual(await labels('coffee'), ['cup', 'spoon', null]);
      // What a phrase names is the class of what it finds.
      await hands.tool('text');
      for (const phrase of ['a cup', 'the Cup']) {
        version = await hands.version();
        await page.fill('input[aria-label="What to look for"]', phrase);
        await hands.key('Enter');
        await hands.saved(version);
      }
      const found = (await labels('coffee')).slice(3);
      assert.ok(found.length >= 2 && found.every((label) => label === 'cup'), found.join());
      assert.deepEqual(await list(), ['cup', 'spoon']);
      await page.click('[aria-label="Rename class cup"]');
      await page.keyboard.type('mug');
      await hands.key('Enter');
      await until(async () => (await labels('chelsea')).join() === 'mug', 'a new name in the other picture');
      await until(async () => !(await labels('coffee')).includes('cup'), 'a new name in this picture');
      await until(async () => (await list()).join() === 'mug,spoon', 'a new name in the list');
      await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
      const { annotations, categories } = readJson(await hands.export('coco'));
      const called = new Map(categories.map(({ id, name }) => [id, name]));
      assert.deepEqual([...called.values()].sort(), ['mug', 'object', 'spoon']);
      assert.deepEqual(
        annotations.map((annotation) => called.get(annotation.category_id)),
        (await labels('coffee')).map((label) => label ?? 'object'),
      );
    });
  },

  /** What is said while W is held is written down, looked at, and looked for. The microphone is a file that espeak-ng spoke. */
  async speech() {
    const spoken = join(out, 'spoken.wav');
    execFileSync('espeak-ng', ['-v', 'en-us', '-s', '140', '-w', spoken, 'Please segment the person.']);
    writeFileSync(spoken, afterSilence(readFileSync(spoken), 1.5));
    const flags = [
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-audio-capture=${spoken}%noloop`,
    ];
    await withStudio(
      ASTRONAUT,
      async (hands, page) => {
        await hands.tool('text');
        await page.focus('canvas');
        await page.keyboard.down('w');
        await page.waitForSelector('[data-speech=listening]');
        await page.waitForTimeout(4500);
        await page.keyboard.up('w');
        const field = page.locator('input[aria-label="What to look for"]');
        await until(async () => (await field.inputValue()) !== '', 'what was heard');
        assert.equal(await field.inputValue(), 'the person');
        await page.screenshot({ path: join(out, 'speech.png') });
        const version = await hands.version();
        await field.press('Enter');
        await hands.saved(version);
        assert.equal((await hands.stored()).objects[0].label, 'person');
      },
      { flags },
    );
  },

  /** The server decodes when the browser cannot. */
  async fallback() {
    await withStudio(
      COFFEE,
      async (hands) => {
        await hands.click([290, 210]);
        await hands.click([440, 120], { button: 'right' });
        const { objects } = await hands.stored();
        assert.deepEqual(
          objects[0].prompts.map(({ positive }) => positive),
          [true, false],
        );
      },
      { query: '?decoder=server' },
    );
  },

  /** Fingers: tap adds, two fingers zoom; and the page in Japanese and dark has no serious accessibility fault. */
  async touch() {
    await withStudio(
      COFFEE,
      async (hands, page) => {
        const version = await hands.version();
        await page.touchscreen.tap(...(await hands.at([290, 210])));
        await hands.saved(version);
        await page.tap('[aria-label="物体パネル"]');
        await hands.rows().first().waitFor();
        assert.deepEqual(await hands.names(), ['物体 1']);
        assert.deepEqual(await faults(page), []);
      },
      {
        hasTouch: true,
        isMobile: true,
        viewport: { width: 412, height: 860 },
        locale: 'ja-JP',
        colorScheme: 'dark',
      },
    );
  },

  /** axe finds no serious fault in any state of the page. */
  async axe() {
    const { page, close } = await openBrowser();
    try {
      await page.goto(url);
      await page.waitForSelector('h1');
      const found = { empty: await faults(page) };
      await openPictures(page, [CHELSEA.file]);
      const hands = new Hands(page, CHELSEA);
      await hands.click([230, 110]);
      for (const tool of ['select', 'point', 'brush', 'text', 'reference', 'everything']) {
        await hands.tool(tool);
        found[tool] = await faults(page);
      }
      await page.click('header button.primary');
      found.export = await faults(page);
      await hands.key('Escape');
      await page.keyboard.press('?');
      await page.waitForSelector('dialog');
      found.help = await faults(page);
      writeFileSync(join(out, 'axe.json'), JSON.stringify(found, null, 1));
      assert.deepEqual([...new Set(Object.values(found).flat())], []);
    } finally {
      await close();
    }
  },
};

/** A WAV file of 16 bits and one channel that begins with silence. */
function afterSilence(wav, seconds) {
  const silence = Buffer.alloc(2 * Math.round(seconds * wav.readUInt32LE(24)));
  const made = Buffer.concat([wav.subarray(0, 44), silence, wav.subarray(44)]);
  made.writeUInt32LE(made.length - 8, 4);
  made.writeUInt32LE(made.length - 44, 40);
  return made;
}

await SCENARIOS[name]();
