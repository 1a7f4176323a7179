// Builds dist/, the folder that the program embeds.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle, dist, pack } from './dist.mjs';

const folder = await mkdtemp(join(tmpdir(), 'halite-web-'));
try {
  await bundle(folder);
  await pack(folder, dist);
} finally {
  await rm(folder, { recursive: true });
}
