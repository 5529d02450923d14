// Debian's Chromium, or Firefox where FIREFOX names one, driven by playwright-core, with nothing that talks to the network.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, firefox } from 'playwright-core';

export const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The same for Firefox, as it comes from Mozilla or Debian, over WebDriver BiDi. */
const QUIET = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

const STARTER = new URL('firefox.mjs', import.meta.url).pathname;

/** How long a scenario waits for what is to come about: a busy machine is no fault. */
export const PATIENCE_MS = 1000 * Number(process.env.STUDIO_PATIENCE ?? 120);

/** Opens a browser with an empty profile; `close` also removes the profile. */
export async function openBrowser({ flags = [], ...options } = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'studio-'));
  const [kind, program] = process.env.FIREFOX
    ? [firefox, { channel: 'moz-firefox', executablePath: STARTER, firefoxUserPrefs: QUIET }]
    : [chromium, { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: [...FLAGS, ...flags] }];
  const context = await kind.launchPersistentContext(profile, {
    ...program,
    viewport: { width: 1280, height: 800 },
    acceptDownloads: true,
    locale: 'en-US',
    serviceWorkers: 'block', // scenarios hold requests back; what works without a server is played on its own
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, page: context.pages()[0] ?? (await context.newPage()), close };
}

/** Opens picture files and waits until the decoder can answer on the first of them. */
export async function openPictures(page, files) {
  await page.setInputFiles('main > input[type=file]', files);
  await page.waitForSelector('canvas[data-ready=true]');
}

/** Where a pixel of the picture lies on the page, when the whole picture is shown. */
export async function placeOf(page, size, [x, y]) {
  const box = await page.locator('canvas').boundingBox();
  const compact = (await page.getAttribute('main', 'data-compact')) === 'true';
  const [side, top, bottom] = compact ? [12, 12, 12] : [20, 84, 20]; // as in src/view/camera.ts
  const [width, height] = [box.width - 2 * side, box.height - top - bottom];
  const scale = Math.min(width / size.width, height / size.height);
  return [
    box.x + (box.width - size.width * scale) / 2 + x * scale,
    box.y + top + (height - size.height * scale) / 2 + y * scale,
  ];
}
