// What the official player shows of recordings at given positions, as digests of its pictures.
//
//   node shot.mjs CHROMIUM PROFILE < jobs.json
//
// The jobs are [{"recording": PATH, "positions": [MS, ...], "pictures": FOLDER or null, "screen":
// BOOLEAN}, ...]. One JSON line is printed for each: {"duration": MS, "shots": [{"width", "height", "sha256", "cursor"}]},
// or {"error": TEXT}. "cursor" is the digest of the pointer's own picture, which flatten() leaves out.
// Pictures are also written to the folder, as POSITION.png, where one is named; with "screen",
// what the page shows at the last one also as screen.png: distorted layers are only distorted there.
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { answerAll, jobs } from './browser.mjs';

const library = readFileSync(path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
  'node_modules/guacamole-common-js/dist/esm/guacamole-common.js'));

function serve(request, response) {
  const recording = /^\/recording\/(\d+)$/.exec(request.url);
  if (recording) {
    createReadStream(jobs[recording[1]].recording).pipe(response);
  } else if (request.url === '/player.js') {
    response.setHeader('content-type', 'text/javascript');
    response.end(library);
  } else {
    return false;
  }
  return true;
}

// Runs in the page: everything that the player needs, and everything that is asked of it.
async function watch({ url, positions, wanted, screen }) {
  const Guacamole = (await import('/player.js')).default;
  const failed = new Promise((_, reject) => {
    addEventListener('error', (event) => reject(new Error(event.message)));
  });
  // Release 1.5.0 cannot read a Blob; the web application feeds it through this tunnel as well.
  const recording = new Guacamole.SessionRecording(new Guacamole.StaticHTTPTunnel(url));
  const loaded = new Promise((resolve, reject) => {
    recording.onload = resolve;
    recording.onerror = (message) => reject(new Error(message));
    recording.connect();
  });
  await Promise.race([loaded, failed]);
  const digest = async (canvas) => {
    if (!canvas.width || !canvas.height) return '';
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  };
  const display = recording.getDisplay();
  const shots = [];
  for (const position of positions) {
    await Promise.race([new Promise((done) => recording.seek(position, done)), failed]);
    await Promise.race([new Promise((done) => display.flush(done)), failed]);
    const picture = display.flatten();
    const cursor = display.getCursorLayer();
    shots.push({
      width: picture.width,
      height: picture.height,
      sha256: await digest(picture),
      cursor: cursor.getCanvas().width ? await digest(cursor.toCanvas()) : '',
      png: wanted && picture.width && picture.height ? picture.toDataURL('image/png') : null,
    });
  }
  if (screen) {
    document.body.style.margin = '0';
    document.body.append(display.getElement());
  }
  return { duration: recording.getDuration(), shots };
}

async function answer({ job, number, base, page, inTime }) {
  const asked = { url: `${base}/recording/${number}`, positions: job.positions, wanted: Boolean(job.pictures), screen: job.screen };
  const result = await inTime(page.evaluate(watch, asked));
  for (const [at, shot] of result.shots.entries()) {
    if (shot.png) {
      const file = path.join(job.pictures, `${job.positions[at]}.png`);
      writeFileSync(file, Buffer.from(shot.png.split(',')[1], 'base64'));
    }
    delete shot.png;
  }
  if (job.screen) {
    const { width, height } = result.shots.at(-1);
    await page.screenshot({ path: path.join(job.pictures, 'screen.png'), clip: { x: 0, y: 0, width, height } });
  }
  return result;
}

await answerAll({ serve, answer });
