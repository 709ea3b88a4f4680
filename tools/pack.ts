/** `npm run pack`: compiles the packages and makes an archive of each, for `npm install` elsewhere. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist/packages') } } });
mkdirSync(values.out, { recursive: true });
execFileSync(process.execPath, [join(root, 'tools/build.ts')], { stdio: 'inherit' });
for (const name of ['contract', 'device', 'server']) {
  const directory = join(root, 'packages', name);
  execFileSync('npm', ['pack', '--silent', '--pack-destination', values.out], { cwd: directory, stdio: 'inherit' });
}
