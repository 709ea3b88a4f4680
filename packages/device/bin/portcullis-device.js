#!/usr/bin/env node
// In a clone the TypeScript source is run as it is; a published package has `dist` alone.
import { existsSync } from 'node:fs';
import module from 'node:module';

const source = new URL('../src/main.ts', import.meta.url);
const inClone = existsSync(source);
if (inClone) {
  module.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: ['portcullis-source', ...context.conditions] }),
  });
}
const { main } = await import(inClone ? source.href : new URL('../dist/main.js', import.meta.url).href);
process.exitCode = await main(process.argv.slice(2));
