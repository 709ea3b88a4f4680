/** Before each test file, by `--import`: what the programs do before anything of theirs is loaded, and compiled code of the files before it. */
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { findModules } from '../packages/device/bin/quick-start.js';

// For what it starts as well: processes, and threads.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url));
module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
findModules({ source: true });
