// No work is ever lost or misplaced: what would lose it, step by step. `node e2e/guard.mjs NAME URL OUT` plays one.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
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
  ROCKET,
  until,
  url,
  withStudio,
} from './hands.mjs';
import { wayTo } from './proxy.mjs';

const ALL = { ...COFFEE, file: [COFFEE, CHELSEA, ASTRONAUT, ROCKET].map(({ file }) => file) };

/** Puts a suggestion into a picture, as a run on the server does. */
async function suggest(page, like, name, score = 0.5) {
  await page.evaluate(
    async ([object, wanted, sure]) => {
      const { images } = await (await fetch('/v1/images')).json();
      const { id, width, height } = images.find((image) => image.name === `${wanted}.jpg`);
      const url = `/v1/images/${id}/objects`;
      const { version, objects } = await (await fetch(url)).json();
      const same = object.segmentation.size[0] === height && object.segmentation.size[1] === width;
      const segmentation = same ? object.segmentation : objects[0].segmentation;
      const made = {
        ...object,
        id: `s${Math.round(100 * sure)}`,
        segmentation,
        score: sure,
        suggested: true,
      };
      const body = JSON.stringify({ base_version: version, objects: [...objects, made] });
      const headers = { 'Content-Type': 'application/json' };
      const answer = await fetch(url, { method: 'PUT', body, headers });
      if (!answer.ok) throw new Error(await answer.text());
    },
    [like, name, score],
  );
}

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
      let release = await hold(page, /bundle\.safetensors/);
      await page.goto(url);
      await page.setInputFiles('main > input[type=file]', ALL.file.slice(0, 2));
      const hands = new Hands(page, COFFEE);
      await until(async () => (await page.getAttribute('canvas', 'data-picture')) !== null, 'the picture');
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

  /** A choice in the export dialog starts nothing; corners are taken back one by one; a class that is taken out can be put back. */
  async steps() {
    await withStudio({ ...COFFEE, file: ALL.file.slice(0, 2) }, async (hands, page) => {
      await until(
        async () => (await page.locator('section [title*=".jpg · "]').count()) === 2,
        'two pictures',
      );
      await hands.click([290, 210]);
      await hands.tool('polygon');
      const tap = async (place) => page.mouse.click(...(await hands.at(place)));
      for (const corner of [
        [170, 40],
        [420, 40],
        [50, 380],
      ])
        await tap(corner);
      await page.keyboard.press('Control+z');
      assert.equal(await hands.rows().count(), 1, 'Ctrl+Z took the object back, not the corner');
      await tap([420, 230]);
      await page.waitForTimeout(600); // no double click
      const version = await hands.version();
      await page.mouse.dblclick(...(await hands.at([170, 230])));
      await hands.saved(version);
      const [, drawn] = (await hands.stored()).objects;
      assert.equal(drawn.prompts[0].points.length, 4);
      for (const corner of [
        [20, 20],
        [60, 20],
      ])
        await tap(corner);
      for (let press = 0; press < 4; press++) await hands.key('Backspace');
      await page.locator('[data-tool=polygon]').focus();
      await hands.key('Backspace');
      assert.equal(await hands.rows().count(), 2, 'Backspace deleted an object');

      await page.click('summary:has-text("Classes")');
      await page.fill('aside form input', 'cup');
      await hands.key('Enter');
      await page.selectOption('aside select', 'cup');
      const classes = async () =>
        page.evaluate(async () =>
          (await (await fetch('/v1/classes')).json()).classes.map(({ name }) => name),
        );
      await until(async () => (await classes()).length === 1, 'a class');
      await page.click('[aria-label="Remove class cup"]');
      await page.click('[data-choice=cancel]');
      assert.deepEqual(await classes(), ['cup']);
      await page.click('[aria-label="Remove class cup"]');
      await page.click('[data-choice=remove]');
      await until(async () => (await classes()).length === 0, 'its removal');
      await page.click('.notice button:has-text("Undo")');
      await until(async () => (await classes()).length === 1, 'its return');
      assert.equal((await hands.stored()).objects[1].label, 'cup');

      await hands.show('chelsea', CHELSEA);
      await hands.tool('point');
      await hands.click([230, 110]);
      const downloads = [];
      page.on('download', (download) => downloads.push(download));
      await page.click('header button.primary');
      await page.selectOption('dialog [data-scope]', 'all');
      await page.waitForTimeout(1500);
      assert.deepEqual([downloads.length, await page.locator('dialog').count()], [0, 1]);
      await page.click('dialog button.primary');
      await until(async () => downloads.length === 1, 'one file for all pictures');
    });
  },

  /** A search asks before it stacks objects on others, and what it finds is kept when its picture is left. */
  async searches() {
    await withStudio({ ...COFFEE, file: ALL.file.slice(0, 2) }, async (hands, page) => {
      const count = async () => (await hands.kept('coffee')).objects.length;
      await hands.tool('everything');
      await page.click('[data-action=everything]');
      await hands.show('chelsea', CHELSEA);
      await page.waitForSelector('.notice:has-text("in coffee.jpg")');
      const found = await count();
      assert.ok(found > 5, `${found} objects were kept`);
      assert.equal((await hands.kept('chelsea')).objects.length, 0);
      await hands.show('coffee', COFFEE);
      await page.click('[data-action=everything]');
      await page.click('[data-choice=cancel]');
      await page.click('[data-action=everything]');
      await page.click('[data-choice=new]');
      await page.waitForSelector('.notice:has-text("were there already")');
      assert.equal(await count(), found);
      await page.click('button:has-text("Label the whole scene")');
      await page.click('[data-choice=replace]');
      await until(async () => (await hands.kept('coffee')).objects.every(({ label }) => label), 'the scene');
      await page.keyboard.press('Control+z');
      await until(async () => (await count()) === found, 'the way back');
    });
  },

  /** A data set goes out and comes back mask by mask; what is only suggested, and what has no class, does not go out. */
  async data() {
    await withStudio({ ...COFFEE, file: ALL.file.slice(0, 2) }, async (hands, page) => {
      await until(
        async () => (await page.locator('section [title*=".jpg · "]').count()) === 2,
        'two pictures',
      );
      await hands.key('k');
      await page.fill('[data-palette]', 'cup');
      await hands.key('Enter');
      await hands.click([290, 210]);
      await hands.key('n');
      await hands.key('1'); // once more: no class
      await hands.click([450, 120]);
      await hands.show('chelsea', CHELSEA);
      await hands.key('1');
      await hands.click([230, 110]);
      const before = await hands.kept('coffee');
      await suggest(page, before.objects[0], 'chelsea');
      await page.waitForSelector('[data-suggestions="1"]');
      assert.deepEqual(
        [...before.objects, ...(await hands.kept('chelsea')).objects].map(({ label }) => label),
        ['cup', null, 'cup', 'cup'],
      );
      await page.click('header button.primary');
      await page.selectOption('dialog [data-scope]', 'all');
      const path = await hands.download('coco');
      await page.waitForSelector('dialog', { state: 'detached' });
      await page.keyboard.press('Control+a');
      await hands.key('Delete');
      await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
      await until(async () => (await hands.kept('chelsea')).objects.length === 0, 'an empty picture');
      await page.setInputFiles('main > input[type=file]', path);
      await page.waitForSelector('.notice:has-text("Imported 2 objects into 2 pictures")');
      const masks = async (name) =>
        (await hands.kept(name)).objects.map(({ segmentation }) => segmentation.counts);
      await until(async () => (await hands.rows().count()) === 1, 'the object on show');
      const coffee = await masks('coffee');
      assert.deepEqual([coffee.length, coffee[2]], [3, coffee[0]]);
      assert.equal((await masks('chelsea')).length, 1);
    });
  },

  /** Suggestions wait until they are accepted, by keys alone; states, comments and names are kept, and no work is lost. */
  async queue() {
    await withStudio({ ...COFFEE, file: ALL.file.slice(0, 3) }, async (hands, page) => {
      await until(
        async () => (await page.locator('section [title*=".jpg · "]').count()) === 3,
        'three pictures',
      );
      await page.click('[data-action=statistics]');
      await page.fill('[data-annotator]', 'Mia 美');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Escape');
      await hands.click([290, 210]);
      await hands.key('n');
      const [own] = (await hands.kept('coffee')).objects;
      for (const score of [0.9, 0.2, 0.6]) await suggest(page, own, 'coffee', score);
      await page.waitForSelector('[data-suggestions="3"]');
      await page.screenshot({ path: join(out, 'suggestions.png') });
      await page.locator('canvas').focus();
      await page.keyboard.press(' '); // the least sure
      await page.keyboard.press('Delete');
      await page.waitForSelector('[data-suggestions="2"]');
      await page.keyboard.press('Enter'); // the next is active
      await page.waitForSelector('[data-suggestions="1"]');
      await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
      const scores = (objects) => objects.map(({ score, suggested }) => [score, suggested]);
      await until(async () => (await hands.kept('coffee')).objects.length === 3, 'what is left');
      const left = scores((await hands.kept('coffee')).objects).slice(1);
      assert.deepEqual(left, [
        [0.9, true],
        [0.6, false],
      ]);
      await page.keyboard.press('Control+z');
      await page.waitForSelector('[data-suggestions="2"]');
      await page.keyboard.press('Control+y');
      await page.click('[data-action=accept-sure]');
      await page.waitForSelector('[data-suggestions]', { state: 'detached' });
      // States: by key, by choice, with a comment.
      await hands.key('q');
      const record = async (name) =>
        page.evaluate(
          async (wanted) =>
            (await (await fetch('/v1/images')).json()).images.find((image) => image.name === `${wanted}.jpg`),
          name,
        );
      await until(async () => (await record('coffee')).state === 'done', 'its state');
      const next = (await record('chelsea')).id;
      await until(
        async () => (await page.getAttribute('canvas', 'data-picture')) === next,
        'the next picture',
      );
      const { state, annotator, objects, suggested } = await record('coffee');
      assert.deepEqual([state, annotator, objects, suggested], ['done', 'Mia 美', 3, 0]);
      assert.equal(await page.textContent('[data-progress]'), '1 of 3');
      page.once('dialog', (dialog) => dialog.accept('the tail'));
      await page.selectOption('[data-state]', 'rejected');
      await page.waitForSelector('[data-comment]:has-text("the tail")');
      await page.selectOption('[data-filter]', 'todo');
      await until(async () => (await page.locator('section [title*=".jpg · "]').count()) === 2, 'the filter');
      await page.reload();
      await page.waitForSelector('[data-comment]:has-text("the tail")');
      assert.equal((await record('chelsea')).comment, 'the tail');
      await page.click('[data-action=statistics]');
      await page.waitForSelector('[data-table=annotators]:has-text("Mia 美")');
      await page.screenshot({ path: join(out, 'statistics.png') });
    });
  },

  /** Two tabs on one picture: each sees what the other does, and nothing of either is lost. */
  async tabs() {
    await withStudio(COFFEE, async (hands, page) => {
      await hands.click([290, 210]);
      await hands.key('n');
      const other = await page.context().newPage();
      await other.goto(url);
      await other.waitForSelector('canvas[data-ready=true]');
      const theirs = new Hands(other, COFFEE);
      await until(async () => (await theirs.rows().count()) === 1, 'the work in the other tab');
      const release = await hold(other, (address) => address.pathname.endsWith('/objects'));
      await other.bringToFront();
      await theirs.rows().dblclick();
      await other.keyboard.type('mug');
      await theirs.key('Enter');
      await page.bringToFront();
      await page.mouse.click(...(await hands.at([60, 60])));
      await until(async () => (await hands.rows().count()) === 2, 'an object of mine');
      await release();
      const both = async (tab) => [...(await tab.names())].sort().join() === 'Object 2,mug';
      await until(async () => (await both(hands)) && (await both(theirs)), 'the work of both');
      await until(
        async () => (await hands.stored()).objects.map((item) => item.name).join() === 'mug,Object 2',
        'both',
      );
      // Undo takes back one's own work only.
      await page.keyboard.press('Control+z');
      await until(async () => (await theirs.names()).join() === 'mug', 'what was undone');
    });
  },

  /** The server goes away: one calm line, work goes on, outlives a reload, and is sent when the server is back. */
  async away() {
    const way = await wayTo(url);
    const { page, close } = await openBrowser({ serviceWorkers: 'allow' });
    const stored = async () => {
      const { images } = await (await fetch(`${url}v1/images`)).json();
      const coffee = images.find((image) => image.name === 'coffee.jpg');
      return (await (await fetch(`${url}v1/images/${coffee.id}/objects`)).json()).objects;
    };
    try {
      await page.goto(way.url);
      await openPictures(page, [COFFEE.file]);
      const hands = new Hands(page, COFFEE);
      await hands.click([290, 210]);
      await until(
        async () => page.evaluate(async () => Boolean(await caches.match('/'))),
        'a page that is kept',
      );
      await way.cut();
      await hands.key('n');
      await page.mouse.click(...(await hands.at([440, 120])));
      await page.waitForSelector('[data-saving=waiting]');
      await page.waitForSelector('[data-away]');
      assert.equal(await page.locator('.notice').count(), 1, 'more than one notice');
      await page.click('button[lang=ja]');
      assert.match(await page.locator('[data-away]').textContent(), /サーバー/);
      await page.click('button[lang=en]');
      assert.equal((await stored()).length, 1);

      page.on('dialog', (dialog) => dialog.accept()); // yes, leave: the work is not sent yet
      await page.reload();
      await page.waitForSelector('canvas[data-ready=true]');
      await until(async () => (await hands.rows().count()) === 2, 'the work that was not sent');
      await page.waitForSelector('[data-away]');
      await page.mouse.click(...(await hands.at([60, 60])));
      await until(async () => (await hands.rows().count()) === 3, 'work without the server');
      await page.setInputFiles('main > input[type=file]', [ROCKET.file]);
      await page.waitForTimeout(500);
      assert.equal(await page.locator('.notice').count(), 1, 'more than one notice');

      await way.mend();
      await until(async () => (await stored()).length === 3, 'the work on the server');
      await page.waitForSelector('[data-saving=saved]');
      assert.equal(await page.locator('[data-away]').count(), 0);
      await page.waitForSelector('section [title^="rocket.jpg"]');
    } finally {
      await close();
      await way.cut();
    }
  },

  /** A folder is dropped: pictures are counted while they open, broken ones are named and stay listed. */
  async files() {
    const folder = join(out, 'holiday');
    mkdirSync(join(folder, 'day 2'), { recursive: true });
    copyFileSync(COFFEE.file, join(folder, 'coffee.jpg'));
    copyFileSync(CHELSEA.file, join(folder, 'day 2', 'chelsea.jpg'));
    writeFileSync(join(folder, 'broken.jpg'), 'no picture');
    writeFileSync(join(folder, 'Thumbs.db'), 'of the system');
    const { page, context, close } = await openBrowser();
    try {
      await page.goto(url);
      await page.waitForSelector('h1');
      const release = await hold(page, (address) => address.pathname === '/v1/images');
      const devtools = await context.newCDPSession(page);
      const data = { items: [], files: [folder], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'])
        await devtools.send('Input.dispatchDragEvent', { type, x: 600, y: 400, data });
      await page.waitForSelector('[role=status]:has-text("0 of 3")');
      await release();
      await page.waitForSelector('section [title^="coffee.jpg"]');
      await page.waitForSelector('section [title^="chelsea.jpg"]');
      await page.waitForSelector('[data-broken="broken.jpg"]');
      assert.match(await page.locator('.notice.bad').textContent(), /broken\.jpg/);
      await page.setInputFiles('main > input[type=file]', [ASTRONAUT.file, ROCKET.file]);
      await page.waitForSelector('section [title^="rocket.jpg"]');
      await page.setViewportSize({ width: 330, height: 700 });
      for (let step = 0; step < 3; step++) await page.keyboard.press('PageDown');
      const inSight = () =>
        page.evaluate(() => {
          const [strip, item] = ['section ul', 'section li.on'].map((place) =>
            document.querySelector(place).getBoundingClientRect(),
          );
          return item.left >= strip.left && item.right <= strip.right;
        });
      await until(inSight, 'the picture in the strip');
      for (let step = 0; step < 3; step++) await page.keyboard.press('PageUp');
      await until(inSight, 'the first picture in the strip');
      assert.equal(await page.locator('[data-broken]').count(), 1);
    } finally {
      await close();
    }
  },

  /** A telephone, in Japanese, and small windows: nothing covers the picture, fingers hit, axe has nothing to say. */
  async small() {
    const phone = { hasTouch: true, isMobile: true, viewport: { width: 390, height: 760 }, locale: 'ja-JP' };
    const { page, close } = await openBrowser(phone);
    const found = {};
    const check = async (state) => {
      const faulty = await faults(page, ['minor', 'moderate', 'serious', 'critical']);
      const tight = await page.evaluate(smallTargets);
      const covers = await page.evaluate(coveringOptions);
      if (faulty.length + tight.length > 0 || covers) found[state] = { faulty, tight, covers };
    };
    try {
      await page.goto(url);
      await page.waitForSelector('h1');
      await check('empty');
      await openPictures(page, [COFFEE.file]);
      const hands = new Hands(page, COFFEE);
      const version = await hands.version();
      await page.touchscreen.tap(...(await hands.at([290, 210])));
      await hands.saved(version);
      for (const tool of ['select', 'point', 'brush', 'text', 'reference', 'everything']) {
        await page.locator(`[data-tool=${tool}]`).scrollIntoViewIfNeeded();
        await hands.tool(tool);
        await check(tool);
      }
      await page.screenshot({ path: join(out, 'phone.png') });
      await page.tap('[aria-label="物体パネル"]');
      await hands.rows().first().waitFor();
      await hands.rows().tap();
      await page.tap('summary');
      await page.fill('aside form input', 'カップ');
      await hands.key('Enter');
      await check('panel');
      await page.screenshot({ path: join(out, 'phone_panel.png') });
      await page.tap('header button.primary');
      await check('export');
      await page.screenshot({ path: join(out, 'phone_export.png') });
      await hands.key('Escape');
      await page.tap('[data-tool=everything]');
      await page.tap('[data-action=everything]');
      await check('question');
      await page.screenshot({ path: join(out, 'phone_question.png') });
      await page.tap('[data-choice=cancel]');
      await page.tap('[aria-label^="キー操作"]');
      await page.waitForSelector('dialog');
      await check('help');
      await hands.key('Escape');
      await page.tap('[aria-label="物体パネル"]');
      for (const [width, height] of [
        [640, 480],
        [844, 390],
        [900, 700],
      ]) {
        await page.setViewportSize({ width, height });
        await page.waitForTimeout(300);
        await hands.tool('point');
        await check(`${width} x ${height}`);
        await page.screenshot({ path: join(out, `window_${width}.png`) });
      }
      assert.deepEqual(found, {});
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

/** Controls in sight that a finger would miss: smaller than 24 pixels. */
function smallTargets() {
  const controls = document.querySelectorAll('button, select, summary, input:not(.unseen)');
  return [...controls].flatMap((control) => {
    const { width, height } = control.getBoundingClientRect();
    if (width === 0 || (width >= 24 && height >= 24)) return [];
    return [`${control.outerHTML.slice(0, 80)}: ${Math.round(width)} x ${Math.round(height)}`];
  });
}

/** Whether the options of the tool lie over the place where the picture is shown whole. */
function coveringOptions() {
  const options = document.querySelector('.options')?.getBoundingClientRect();
  const canvas = document.querySelector('canvas').getBoundingClientRect();
  const top = document.querySelector('main').dataset.compact === 'true' ? 0 : 84;
  return options !== undefined && options.bottom > canvas.top + top + 1;
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
