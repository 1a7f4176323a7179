import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { build } from 'vite';

/** The folder of the sources. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** The folder whose files the program embeds. */
export const dist = join(root, 'dist');

const compressible = new Set(['.css', '.js', '.md', '.ttf']);

/**
 * Builds the pages into an empty folder, uncompressed.
 *
 * @param {string} folder
 */
export async function bundle(folder) {
  await build({ root, logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } });
}

/**
 * Replaces the folder `to` by the files of `from`, each compressible one as .gz.
 *
 * @param {string} from
 * @param {string} to
 */
export async function pack(from, to) {
  await rm(to, { recursive: true, force: true });
  for (const name of await list(from)) {
    const content = await readFile(join(from, name));
    const packed = compressible.has(extname(name));
    const target = join(to, packed ? `${name}.gz` : name);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, packed ? gzipSync(content, { level: 9 }) : content);
  }
}

/**
 * The files of a packed folder as they were before packing: name -> content.
 *
 * @param {string} folder
 * @returns {Promise<Map<string, Buffer>>}
 */
export async function unpack(folder) {
  const files = new Map();
  for (const name of await list(folder)) {
    const content = await readFile(join(folder, name));
    if (name.endsWith('.gz')) files.set(name.slice(0, -3), gunzipSync(content));
    else files.set(name, content);
  }
  return files;
}

/**
 * Names of all files below a folder, relative to it, sorted.
 *
 * @param {string} folder
 */
async function list(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
