// Writes src/audit/schema.d.ts, the types of the GraphQL schema, from which the documents of the Audit page get theirs.
// With --check it fails instead if the file is not what the schema says.
//
// gql.tada's own command needs the compiler's API, which TypeScript 7 does not have; its library does not.
import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal';
import { buildSchema, introspectionFromSchema } from 'graphql';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './dist.mjs';

const target = join(root, 'src/audit/schema.d.ts');
const schema = buildSchema(await readFile(join(root, '../schema.graphqls'), 'utf8'));
const wanted = outputIntrospectionFile(minifyIntrospection(introspectionFromSchema(schema)), {
  fileType: '.d.ts',
  shouldPreprocess: true,
});
if (!process.argv.includes('--check')) {
  await writeFile(target, wanted);
} else if ((await readFile(target, 'utf8').catch(() => '')) !== wanted) {
  console.error('src/audit/schema.d.ts is not what schema.graphqls says. Run "npm run schema" and commit the result.');
  process.exitCode = 1;
}
