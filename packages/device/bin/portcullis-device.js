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
