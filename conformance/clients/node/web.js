// SPDX-License-Identifier: Apache-2.0
// Runs the official grpc-web client in Chromium: `web.js SCENARIO PAGES PROXY PROTOS...`. The page is served at PAGES, an
// origin of its own; it calls PROXY and hands its transcript back here, so that nothing has to drive the browser.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

import protobuf from "protobufjs";

const [, , scenario, pages, proxy, ...includeDirs] = process.argv;
const WITHIN_MS = 45_000;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const resolve = createRequire(import.meta.url).resolve;

function contract() {
  const root = new protobuf.Root();
  // It brings google/protobuf itself.
  const folders = [...includeDirs, path.dirname(resolve("protobufjs"))];
  root.resolvePath = (_, target) => {
    const found = folders.map((folder) => path.join(folder, target)).find((file) => readable(file));
    return found ?? target;
  };
  return JSON.stringify(root.loadSync("depot.proto").toJSON());
}

function readable(file) {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}

const beside = (name) => readFileSync(new URL(name, import.meta.url));
const files = {
  "/": ["text/html", beside("page.html")],
  "/page.js": ["text/javascript", beside("page.js")],
  "/grpc-web.js": ["text/javascript", readFileSync(path.join(path.dirname(resolve("grpc-web")), "index.esm.js"))],
  "/protobuf.js": ["text/javascript", readFileSync(path.join(path.dirname(resolve("protobufjs")), "dist/protobuf.min.js"))],
  "/contract.json": ["application/json", contract()],
};

/** The first transcript that a page hands over. */
function transcript() {
  return new Promise((resolved, rejected) => {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url, "http://pages");
      if (request.method === "POST" && pathname === "/transcript") {
        let text = "";
        request.on("data", (part) => (text += part));
        request.on("end", () => {
          response.end();
          resolved({ text, server });
        });
        return;
      }
      const [type, body] = files[pathname] ?? [];
      response.writeHead(body ? 200 : 404, { "content-type": type ?? "text/plain" });
      response.end(body);
    });
    server.on("error", rejected);
    server.listen(Number(new URL(pages).port), "127.0.0.1");
    setTimeout(() => rejected(new Error(`no transcript in ${WITHIN_MS} ms`)), WITHIN_MS).unref();
  });
}

const folder = mkdtempSync(path.join(tmpdir(), "adjoin-web-"));
const coming = transcript();
// The same server by another name is another origin, which may not call.
const origin = scenario === "elsewhere" ? pages.replace("127.0.0.1", "localhost") : pages;
const address = `${origin}/?${new URLSearchParams({ scenario, proxy })}`;
const browser = spawn("chromium", [...FLAGS, `--user-data-dir=${folder}`, address], { stdio: "ignore", detached: true });
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    process.kill(-browser.pid, "SIGKILL");
    process.exit(1);
  });
}
const gone = new Promise((_, rejected) => {
  browser.on("error", rejected);
  browser.on("exit", (code) => rejected(new Error(`chromium ended with ${code}`)));
});
const closed = new Promise((resolved) => browser.on("close", resolved));
let failed = false;
try {
  const { text, server } = await Promise.race([coming, gone]);
  process.stdout.write(text);
  server.close();
} catch (error) {
  process.stdout.write(`${error}\n`);
  failed = true;
}
gone.catch(() => {});
// With every process that it has started.
process.kill(-browser.pid, "SIGKILL");
await closed;
rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
process.exit(failed ? 1 : 0);
