import { defineConfig } from 'vitest/config';

/**
 * Builds the pages that the program embeds. Whoever calls it chooses the output folder.
 *
 * Nothing is inlined as a data: URL and no polyfill is added, so that the pages run under a
 * policy that allows scripts, workers, fonts and connections from their own origin only.
 */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    env: { TZ: 'Europe/Berlin' }, // a zone with summer time, so that a mistake shows
  },
  appType: 'mpa',
  build: {
    assetsInlineLimit: 0,
    license: { fileName: 'licenses.md' },
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Monaco is one large chunk by nature.
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      input: ['audit.html', 'admin.html', 'graphiql.html'],
      output: {
        // Kept apart from our own code, so that a change there leaves the large chunks, and their names, as they are.
        codeSplitting: { groups: [{ name: 'vendor', test: /preload-helper|node_modules\/(react|react-dom|scheduler)\// }] },
      },
      onLog(level, log, report) {
        // "use client" means something to servers that render React; there is none here.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
});
