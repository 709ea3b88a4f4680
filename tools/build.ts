/** Compiles the publishable packages, or those that are named, to JavaScript with types, in the order in which they depend on one another. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const wanted = process.argv.slice(2);
for (const name of ['contract', 'device', 'server']) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const directory = join(root, 'packages', name);
  rmSync(join(directory, 'dist'), { recursive: true, force: true });
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(directory, 'tsconfig.build.json')], {
    stdio: 'inherit',
  });
}
