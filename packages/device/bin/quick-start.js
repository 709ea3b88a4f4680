/** What both programs do before anything of theirs is loaded: a command of a second must not spend it on reading its own code. */
import { lstatSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Compiled code of earlier runs is used again, where there is a directory for it; without one everything is only slower. */
export function useCompileCache() {
  try {
    const directory = join(cacheHome(), 'portcullis');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (isOurs(directory)) module.enableCompileCache(directory);
  } catch {
    // A home that is read-only, full or none at all.
  }
}

/** Never the temporary directory, which is Node's choice: anybody may make a directory there before us. */
function cacheHome() {
  const { XDG_CACHE_HOME: named, LOCALAPPDATA: local } = process.env;
  if (named) return named;
  if (process.platform === 'win32' && local) return local;
  return join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
}

/** Whoever may write there has his code run by us: it is a directory of this user, and nobody else writes in it. */
function isOurs(directory) {
  const { uid, mode } = lstatSync(directory);
  const own = process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
  return own && lstatSync(directory).isDirectory();
}

/**
 * How modules are found: as Node does, with less asking. `source`: the packages' TypeScript, in a clone.
 * - A module of Node's own is the one that is named.
 * - A relative specifier inside of packages that are modules throughout is the file that it names.
 * - A bare one means the same for all files of a folder.
 * - The schema library's words in fifty languages, of which nothing here uses one, are left out.
 */
export function findModules({ source }) {
  const known = new Map();
  module.registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith('node:')) return { url: specifier, format: 'builtin', shortCircuit: true };
      const parent = context.parentURL ?? '';
      if (specifier === '../locales/index.js' && parent.includes('/node_modules/zod/')) {
        return { url: 'data:text/javascript,', format: 'module', shortCircuit: true };
      }
      if (relativeFile.test(specifier) && isModuleThroughout(parent)) {
        const { href } = new URL(specifier, parent);
        return { url: href, format: href.endsWith('.ts') ? 'module-typescript' : 'module', shortCircuit: true };
      }
      if (!ofManyFiles.test(specifier)) return next(specifier, context);
      const key = `${specifier} ${parent.slice(0, parent.lastIndexOf('/'))}`;
      const conditions = source ? ['portcullis-source', ...context.conditions] : context.conditions;
      const found = known.get(key) ?? { ...next(specifier, { ...context, conditions }), shortCircuit: true };
      known.set(key, found);
      return found;
    },
  });
}

const relativeFile = /^\.\.?\/.*\.[jt]s$/;
const ofManyFiles = /^(zod|commander|@portcullis\/.+)$/;

const modulesThroughout = /^\/node_modules\/(zod|commander|kysely|@bufbuild\/\w+\/dist\/esm|@portcullis\/\w+)\/.*\.js$/;

/** This tree's own files, and those of packages that have no CommonJS behind an `import`. */
function isModuleThroughout(url) {
  const at = url.lastIndexOf('/node_modules/');
  if (!url.startsWith('file:')) return false;
  return at < 0 || modulesThroughout.test(url.slice(at));
}
