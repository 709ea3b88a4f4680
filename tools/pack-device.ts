/**
 * `npm run pack:device`: the device's side and all that it needs as one file, which a device installs without a network. It holds
 * JavaScript alone and no install script, so that it is the same file for every processor.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const bytesMax = 5_000_000;
/** The sources, and the same code again for CommonJS: the device's own code is ESM. */
const leftOut = /\/zod\/src(\/|$)|\.cjs$|\.d\.cts$/;
const native = /\.(node|so|dll|dylib)$|binding\.gyp$/;
const installScripts = ['preinstall', 'install', 'postinstall', 'prepare'];

interface Manifest {
  name: string;
  version: string;
  files?: string[];
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
}

const manifestIn = (directory: string) => JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;

const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist') } } });
const stage = mkdtempSync(join(tmpdir(), 'portcullis-pack-device-'));
try {
  execFileSync(process.execPath, [join(root, 'tools/build.ts'), 'contract', 'device'], { stdio: 'inherit' });
  fillStage();
  refuseWhatNoDeviceShouldRun();
  mkdirSync(values.out, { recursive: true });
  const words = ['pack', '--silent', '--pack-destination', values.out];
  const name = execFileSync('npm', words, { cwd: stage, encoding: 'utf8' }).trim();
  tell(join(values.out, name));
} finally {
  rmSync(stage, { recursive: true, force: true });
}

function fillStage(): void {
  const device = manifestIn(join(root, 'packages/device'));
  const contract = manifestIn(join(root, 'packages/contract'));
  copyPackage('packages/device', '', ['bin', 'dist']);
  copyPackage('packages/contract', 'node_modules/@portcullis/contract', ['package.json', 'dist']);
  const dependencies = { ...device.dependencies, ...contract.dependencies };
  const bundled = closureOf(Object.keys(dependencies));
  for (const name of bundled)
    if (name !== contract.name) copyPackage(`node_modules/${name}`, `node_modules/${name}`, ['']);
  cpSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
  cpSync(join(root, 'docs/device-install.md'), join(stage, 'README.md'));
  cpSync(join(root, 'packaging/systemd/portcullis-device.service'), join(stage, 'systemd/portcullis-device.service'));
  const packed = {
    ...device,
    files: [...(device.files ?? []), 'systemd'],
    dependencies,
    bundleDependencies: bundled,
  };
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(packed, null, 2)}\n`);
}

/** What these need while they run, and what that needs; types are for compilers alone. */
function closureOf(names: readonly string[], known = new Set<string>()): string[] {
  for (const name of names) {
    if (known.has(name) || name.startsWith('@types/')) continue;
    known.add(name);
    closureOf(Object.keys(manifestIn(join(root, 'node_modules', name)).dependencies ?? {}), known);
  }
  return [...known];
}

function copyPackage(from: string, to: string, parts: string[]): void {
  for (const part of parts) {
    cpSync(join(root, from, part), join(stage, to, part), {
      recursive: true,
      dereference: true,
      filter: (path) => !leftOut.test(path),
    });
  }
}

function refuseWhatNoDeviceShouldRun(): void {
  for (const file of readdirSync(stage, { recursive: true, encoding: 'utf8' })) {
    if (native.test(file))
      throw new Error(`"${file}" is not JavaScript; the file would not be the same for every processor`);
    if (!file.endsWith('package.json') || !statSync(join(stage, file)).isFile()) continue;
    const { scripts = {} } = JSON.parse(readFileSync(join(stage, file), 'utf8')) as Partial<Manifest>;
    const script = installScripts.find((name) => name in scripts);
    if (script !== undefined)
      throw new Error(`"${file}" has the script "${script}", which would run while it is installed`);
  }
}

function tell(file: string): void {
  const bytes = readFileSync(file);
  if (bytes.length > bytesMax) throw new Error(`"${file}" has ${bytes.length} bytes; at most ${bytesMax} are allowed`);
  const hash = createHash('sha256').update(bytes).digest('hex');
  process.stdout.write(`${relative(process.cwd(), file)}\n  ${bytes.length} bytes\n  sha256 ${hash}\n`);
}
