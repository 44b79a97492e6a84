// The page in headless Chromium: browser.mjs EVIDENCE [SCREENSHOT]. Verifies a real receipt, then
// one with a flipped bit; exit code 0 where the page says so of both.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const [evidence, screenshot] = process.argv.slice(2);

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    const content = readFileSync(join(PACKAGE, path));
    response.writeHead(200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const page = await browser.newPage({ viewport: { width: 900, height: 1150 } });
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/demo/index.html`);
  const files = {
    receipt: "call.receipt",
    model: "model.onnx",
    input: readdirSync(evidence).find((name) => name.startsWith("input.")),
    genesis: "genesis.json",
  };
  const give = (name, file) => page.setInputFiles(`input[name=${name}]`, file);
  const verdict = async () => {
    await page.click("button");
    const shown = page.locator("#verdict[data-verdict]");
    await shown.waitFor({ timeout: 60_000 });
    return shown.getAttribute("data-verdict");
  };
  for (const [name, file] of Object.entries(files)) await give(name, join(evidence, file));
  assert.equal(await verdict(), "holds", await page.innerText("body"));
  assert.match(await page.innerText("#checks"), /gives the same bits/);
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });

  const content = readFileSync(join(evidence, files.receipt));
  content[content.length >> 1] ^= 4;
  const forged = join(mkdtempSync(join(tmpdir(), "verify-")), "forged.receipt");
  writeFileSync(forged, content);
  await give("receipt", forged);
  assert.equal(await verdict(), "fails");
  if (screenshot)
    await page.screenshot({ path: screenshot.replace(/\.png$/, "-forged.png"), fullPage: true });
  assert.deepEqual(problems, []);
  console.log(
    `the page verified a receipt in ${browser.browserType().name()} ${browser.version()}`,
  );
} finally {
  await browser.close();
  server.close();
}
