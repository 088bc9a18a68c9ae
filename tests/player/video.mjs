// What Chromium's own <video> shows of clips at given positions.
//
//   node video.mjs CHROMIUM PROFILE < jobs.json
//
// The jobs are [{"clip": PATH, "positions": [SECONDS, ...], "pictures": FOLDER}, ...]. One JSON line
// is printed for each: {"duration": SECONDS, "width", "height"}, or {"error": TEXT}. What is seen at
// the n-th position is written to the folder as n.png.
import { createReadStream, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { answerAll, jobs } from './browser.mjs';

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

function serve(request, response) {
  const clip = /^\/clip\/(\d+)$/.exec(request.url);
  if (clip) sendClip(request, response, jobs[clip[1]].clip);
  return Boolean(clip);
}

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

async function answer({ job, number, base, page, inTime }) {
  const asked = { url: `${base}/clip/${number}`, positions: job.positions };
  const { pictures, ...result } = await inTime(page.evaluate(watch, asked));
  for (const [at, picture] of pictures.entries()) {
    writeFileSync(path.join(job.pictures, `${at}.png`), Buffer.from(picture.split(',')[1], 'base64'));
  }
  return result;
}

await answerAll({ serve, answer, args: ['--force-color-profile=srgb'] });
