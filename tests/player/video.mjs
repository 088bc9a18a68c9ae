// What Chromium's own <video> shows of clips at given positions.
//
//   node video.mjs CHROMIUM PROFILE < jobs.json
//
// The jobs are [{"clip": PATH, "positions": [SECONDS, ...], "pictures": FOLDER}, ...]. One JSON line
// is printed for each: {"duration": SECONDS, "width", "height"}, or {"error": TEXT}. What is seen at
// the n-th position is written to the folder as n.png.
import { chromium } from 'playwright-core';
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const LIMIT_MS = 80_000;

const [executablePath, profile] = process.argv.slice(2);
const jobs = JSON.parse(readFileSync(0, 'utf8'));

function sendClip(request, response, clip) {
  const { size } = statSync(clip);
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = asked ? Number(asked[1]) : 0;
  const end = asked?.[2] ? Math.min(Number(asked[2]), size - 1) : size - 1;
  const headers = { 'content-type': 'video/mp4', 'accept-ranges': 'bytes', 'content-length': end + 1 - start };
  if (asked) headers['content-range'] = `bytes ${start}-${end}/${size}`;
  response.writeHead(asked ? 206 : 200, headers);
  createReadStream(clip, { start, end }).on('error', () => response.destroy()).pipe(response);
}

const server = http.createServer((request, response) => {
  const clip = /^\/clip\/(\d+)$/.exec(request.url);
  if (clip) {
    sendClip(request, response, jobs[clip[1]].clip);
  } else {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>clip</title>');
  }
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const base = `http://127.0.0.1:${server.address().port}`;

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  timeout: 30_000,
  viewport: { width: 800, height: 600 },
  // What a browser would fetch by itself is refused on a closed network, and tried again at once.
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage',
    '--force-color-profile=srgb'],
});

// Runs in the page.
async function watch({ url, positions }) {
  const video = document.createElement('video');
  const failed = new Promise((_, reject) => {
    video.onerror = () => reject(new Error(`video: ${video.error.message}`));
  });
  const once = (name) => Promise.race([
    new Promise((done) => video.addEventListener(name, done, { once: true })), failed,
  ]);
  video.muted = true;
  video.preload = 'auto';
  document.body.append(video);
  const loaded = once('loadeddata');
  video.src = url;
  await loaded;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const pictures = [];
  for (const position of positions) {
    const seeked = once('seeked');
    video.currentTime = position;
    await seeked;
    canvas.getContext('2d').drawImage(video, 0, 0);
    pictures.push(canvas.toDataURL('image/png'));
  }
  return { duration: video.duration, width: video.videoWidth, height: video.videoHeight, pictures };
}

for (const [number, job] of jobs.entries()) {
  const page = await context.newPage();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  try {
    await page.goto(base);
    const asked = { url: `${base}/clip/${number}`, positions: job.positions };
    const { pictures, ...result } = await Promise.race([page.evaluate(watch, asked), late]);
    for (const [at, picture] of pictures.entries()) {
      writeFileSync(path.join(job.pictures, `${at}.png`), Buffer.from(picture.split(',')[1], 'base64'));
    }
    console.log(JSON.stringify(result));
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
