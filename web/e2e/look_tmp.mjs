import { openBrowser } from './browser.mjs';

const { page, close } = await openBrowser();
page.on('console', (m) => console.log('console', m.text().slice(0, 400)));
page.on('pageerror', (e) => console.log('pageerror', (e.stack ?? e.message).slice(0, 1500)));
page.on('requestfailed', (r) => console.log('failed', r.url(), r.failure()?.errorText));
page.on('response', (r) => r.status() >= 400 && console.log(r.status(), r.url()));
await page.goto(process.argv[2]);
await page.waitForTimeout(4000);
await page.screenshot({ path: '/tmp/s2srv/out/look.png' });
await close();
