#!/usr/bin/env node
// In a clone the TypeScript source is run as it is; a published package has `dist` alone.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { findModules, useCompileCache } from './quick-start.js';

// Older than any that is allowed, and too old to load what would say so.
if (module.registerHooks === undefined) {
  process.stderr.write(
    `portcullis-device: Node ${process.versions.node} can not run this; it must be 22.23 or later of that line, or 24.17 or later\n`,
  );
  process.exit(1);
}
const source = new URL('../src/main.ts', import.meta.url);
const inClone = existsSync(source);
useCompileCache();
findModules({ source: inClone });
const { main } = await import(inClone ? source.href : new URL('../dist/main.js', import.meta.url).href);
process.exitCode = await main(process.argv.slice(2));
// All is said: what is left are connections that nobody needs, and taking them apart takes longer than leaving them to the kernel.
if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
