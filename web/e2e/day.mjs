// A day's work, from the first picture to the data sets: `node e2e/day.mjs work URL OUT`. It takes minutes, and is no part
// of make test.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ASTRONAUT, CHELSEA, COFFEE, name, out, ROCKET, until, withStudio } from './hands.mjs';

const PYTHON = process.env.PYTHON ?? 'python3';
/** Twelve pictures of four examples, each a different part of it. */
const CUT = `
import sys
from PIL import Image
for path in sys.argv[2:]:
    picture = Image.open(path)
    width, height = picture.size
    stem = path.rpartition("/")[2].partition(".")[0]
    for part in range(3):
        box = (part * 8, part * 6, width - part * 4, height - part * 10)
        picture.crop(box).save(f"{sys.argv[1]}/{stem}{part}.jpg", quality=92)
`;
/** Our reader and pycocotools count the same, and agree mask by mask; YOLO's files are read back. */
const READ = `
import json, sys
from pathlib import Path
import numpy as np
from pycocotools.coco import COCO
from promptseg.datasets.open import DatasetSource
from promptseg.formats.coco import read_coco
coco, yolo = Path(sys.argv[1]), Path(sys.argv[2])
theirs, ours = COCO(str(coco / "instances.json")), read_coco(coco / "instances.json")
for image, entry in theirs.imgs.items():
    masks = [theirs.annToMask(one).astype(bool) for one in theirs.loadAnns(theirs.getAnnIds([image]))]
    mine = [mask.dense() for mask in ours[entry["file_name"]].masks]
    assert len(masks) == len(mine) and all(np.array_equal(a, b) for a, b in zip(masks, mine))
counts = {}
for one in theirs.anns.values():
    name = theirs.cats[one["category_id"]]["name"]
    counts[name] = counts.get(name, 0) + 1
lines = {}
for split in ("train", "val"):
    for sample in DatasetSource(path=str(yolo), split=split)().samples:
        for target in sample.targets:
            lines[target.label] = lines.get(target.label, 0) + 1
print(json.dumps({"coco": counts, "yolo": lines, "pictures": len(theirs.imgs)}))
`;

const SCENARIOS = {
  /** Twelve pictures, three classes, label all, correct five, review, export COCO and YOLO. */
  async work() {
    const folder = join(out, 'pictures');
    mkdirSync(folder, { recursive: true });
    const files = [COFFEE, CHELSEA, ASTRONAUT, ROCKET].map(({ file }) => file);
    execFileSync(PYTHON, ['-c', CUT, folder, ...files]);
    const cuts = ['coffee', 'chelsea', 'astronaut', 'rocket'].flatMap((stem) =>
      [0, 1, 2].map((part) => join(folder, `${stem}${part}.jpg`)),
    );
    await withStudio({ file: cuts, width: 600, height: 400 }, async (hands, page) => {
      const json = (path) => page.evaluate(async (at) => (await fetch(at)).json(), path);
      const images = async () => (await json('/v1/images')).images;
      await until(async () => (await images()).length === 12, 'twelve pictures');
      // A name, and three classes from a list.
      await page.click('[data-action=statistics]');
      await page.fill('[data-annotator]', 'Mia');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Escape');
      const list = join(out, 'classes.txt');
      writeFileSync(list, 'cup\ncat\nperson\n');
      await page.click('summary:has-text("Classes")');
      await page.setInputFiles('[data-class-file]', list);
      await until(async () => (await json('/v1/classes')).classes.length === 3, 'three classes');
      // Label all.
      await page.click('[data-action=label-all]');
      await page.fill('dialog textarea', 'cup\ncat\na woman = person');
      await page.click('[data-action=begin-run]');
      const end = Date.now() + 3_600_000;
      for (;;) {
        const [run] = (await json('/v1/runs')).runs;
        if (run.state === 'done') break;
        assert.ok(
          Date.now() < end && ['waiting', 'running'].includes(run.state),
          `${run.state}: ${run.error}`,
        );
        await page.waitForTimeout(2000);
      }
      const suggested = (await images()).reduce((sum, one) => sum + one.suggested, 0);
      assert.ok(suggested >= 6, `${suggested} objects were suggested`);
      // Each picture with suggestions: keys alone accept them, and finish it.
      await page.selectOption('[data-filter]', 'suggested');
      let corrected = 0;
      for (const { id, suggested: count } of (await images()).filter((one) => one.suggested > 0)) {
        await page.evaluate((image) => localStorage.setItem('promptseg.picture', image), id);
        await page.reload();
        await page.waitForSelector('canvas[data-ready=true]');
        await until(async () => (await page.getAttribute('canvas', 'data-picture')) === id, 'the picture');
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
        await page.waitForSelector('[data-saving=saved]', { state: 'attached' });
        await page.keyboard.press('q');
        await until(async () => (await json(`/v1/images/${id}`)).state === 'done', 'its state');
        assert.equal((await json(`/v1/images/${id}`)).annotator, 'Mia');
      }
      // Review: one is rejected with a comment, the others are accepted.
      const done = (await images()).filter(({ state }) => state === 'done');
      page.on('dialog', (dialog) => dialog.accept('the border'));
      await page.selectOption('[data-filter]', 'all');
      for (const [at, { id, name: file }] of done.entries()) {
        await page.click(`section [title^="${file}"]`);
        await until(async () => (await page.getAttribute('canvas', 'data-picture')) === id, file);
        await page.selectOption('[data-state]', at === 0 ? 'rejected' : 'accepted');
        await until(async () => (await json(`/v1/images/${id}`)).state !== 'done', 'the review');
      }
      assert.equal((await json(`/v1/images/${done[0].id}`)).comment, 'the border');
      await page.screenshot({ path: join(out, 'day.png') });
      // Export what was accepted.
      const folders = [];
      for (const format of ['coco', 'yolo']) {
        await page.click('header button.primary');
        await page.selectOption('[data-scope]', 'accepted');
        const path = await hands.download(format);
        const target = join(out, format);
        execFileSync(PYTHON, ['-m', 'zipfile', '-e', path, target]);
        folders.push(target);
      }
      const read = JSON.parse(
        execFileSync(PYTHON, ['-c', READ, ...folders], { encoding: 'utf8' })
          .split('\n')
          .at(-2),
      );
      const counts = {};
      for (const { id } of (await images()).filter(({ state }) => state === 'accepted'))
        for (const { label } of (await json(`/v1/images/${id}/objects`)).objects)
          counts[label] = (counts[label] ?? 0) + 1;
      assert.deepEqual(read.coco, counts);
      assert.deepEqual(read.yolo, counts);
      assert.equal(read.pictures, done.length - 1);
      console.log(JSON.stringify({ suggested, corrected, ...read }));
      assert.ok(readFileSync(join(folders[1], 'data.yaml'), 'utf8').includes('val: images/val'));
    });
  },
};

await SCENARIOS[name]();
