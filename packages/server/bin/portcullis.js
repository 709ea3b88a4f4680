#!/usr/bin/env node
// In a clone the TypeScript source is run as it is; a published package has `dist` alone.
import { existsSync } from 'node:fs';
import { findModules, useCompileCache } from '@portcullis/device/quick-start';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 17) || ['26.8.0', '26.8.1'].includes(process.versions.node)) {
  process.stderr.write(
    `portcullis: Node ${process.versions.node} can not run this; it must be 24.17 or later, but not 26.8.0 and 26.8.1\n`,
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
