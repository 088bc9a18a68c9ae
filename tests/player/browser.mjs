// One Chromium for the jobs on standard input: a page for each, and one JSON line for its answer.
//
//   node SCRIPT CHROMIUM PROFILE < jobs.json
//
// The lines are in the order of the jobs; {"error": TEXT} stands for one that could not be answered.
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';
import http from 'node:http';

// Some malformed recordings stop the player without a word.
const LIMIT_MS = 80_000;

const [executablePath, profile] = process.argv.slice(2);

export const jobs = JSON.parse(readFileSync(0, 'utf8'));

// Serves an empty page, and whatever `serve(request, response)` says that it has answered.
async function listen(serve) {
  const server = http.createServer((request, response) => {
    if (serve(request, response)) return;
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>judge</title>');
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return server;
}

function launch(args) {
  return chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    timeout: 30_000,
    viewport: { width: 800, height: 600 },
    // What a browser would fetch by itself is refused on a closed network, and tried again at once.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
      '--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage', ...args],
  });
}

// Prints what `answer({ job, number, base, page, inTime })` gives for each job, and ends the process.
// `base` is where `serve` answers and the page is; `inTime(promise)` gives up after LIMIT_MS.
export async function answerAll({ serve, answer, args = [] }) {
  const server = await listen(serve);
  const base = `http://127.0.0.1:${server.address().port}`;
  const context = await launch(args);
  for (const [number, job] of jobs.entries()) {
    const page = await context.newPage();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${LIMIT_MS / 1000} s`)), LIMIT_MS);
    });
    try {
      await page.goto(base);
      const inTime = (promise) => Promise.race([promise, late]);
      console.log(JSON.stringify(await answer({ job, number, base, page, inTime })));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error) }));
    } finally {
      clearTimeout(timer);
      page.close().catch(() => {});
    }
  }
  await context.close();
  server.close();
  process.exit(0);
}
