#!/usr/bin/env node
// In a clone the TypeScript source is run as it is; a published package has `dist` alone.
import { existsSync } from 'node:fs';
import { findModules, useCompileCache } from './quick-start.js';

const source = new URL('../src/main.ts', import.meta.url);
const inClone = existsSync(source);
useCompileCache();
findModules({ source: inClone });
const { main } = await import(inClone ? source.href : new URL('../dist/main.js', import.meta.url).href);
process.exitCode = await main(process.argv.slice(2));
// All is said: what is left are connections that nobody needs, and taking them apart takes longer than leaving them to the kernel.
if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
