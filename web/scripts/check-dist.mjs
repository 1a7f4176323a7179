// Fails unless dist/ is exactly what these sources build. Contents are compared uncompressed: the bytes of a .gz file
// depend on the version of zlib.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle, dist, pack, unpack } from './dist.mjs';

const folder = await mkdtemp(join(tmpdir(), 'halite-web-'));
try {
  await bundle(join(folder, 'built'));
  await pack(join(folder, 'built'), join(folder, 'packed'));
  const want = await unpack(join(folder, 'packed'));
  const have = await unpack(dist);
  const names = [...new Set([...want.keys(), ...have.keys()])].sort();
  const faults = names.flatMap((name) => {
    const [wanted, found] = [want.get(name), have.get(name)];
    if (!found) return [`missing: ${name}`];
    if (!wanted) return [`not built from these sources: ${name}`];
    return wanted.equals(found) ? [] : [`differs: ${name}`];
  });
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error('dist/ is not what the sources build. Run "npm run build" and commit the result.');
    process.exitCode = 1;
  } else {
    console.log(`dist/ is what the sources build: ${names.length} files`);
  }
} finally {
  await rm(folder, { recursive: true });
}
