/** Compiles the publishable packages to JavaScript with types, in the order in which they depend on one another. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const name of ['contract', 'device', 'server']) {
  const directory = join(root, 'packages', name);
  rmSync(join(directory, 'dist'), { recursive: true, force: true });
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(directory, 'tsconfig.build.json')], {
    stdio: 'inherit',
  });
}
