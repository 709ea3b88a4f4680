import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import type { Told } from './answering.ts';
import { pathOf, requireMethod } from './front.ts';

const folder = join(import.meta.dirname, '../../checkpoint-page');
const prefix = '/checkpoint';
const worker = 'worker.js';
/** What the page consists of: it loads nothing else, and nothing from anywhere else. */
export const pageFiles = [
  ...['style.css', 'page.js', 'ask.js', 'arrivals.js', 'bytes.js', 'credential.js', 'request.js', 'scan.js'],
  ...['scanned.js', 'store.js', 'renewing.js', worker],
] as const;
const decoder = 'jsqr.js';
/** What it asks of the authority, where it was served. */
export const askedByPage: ReadonlySet<string> = new Set([
  ...['/v1/enrolments', '/v1/arrivals', '/v1/looks'],
  ...['/v1/renewals/nonce', '/v1/renewals', '/v1/renewals/confirmation'],
]);

const policy = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "connect-src 'self'", "worker-src 'self'", 'img-src data:'],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');
const always = {
  'cache-control': 'no-cache',
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(self), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex, nofollow',
} as const;

/** The page of a checkpoint: files that are read once. What it asks then goes the ways that strangers' requests go. */
export class CheckpointPage {
  readonly #files: ReadonlyMap<string, Told>;

  constructor() {
    const read = (name: string) => readFileSync(join(folder, name));
    this.#files = new Map([
      [prefix, told('index.html', read('index.html'))],
      ...pageFiles.map((name) => [`${prefix}/${name}`, told(name, read(name))] as const),
      // The decoder is a package's own file, as it is.
      [`${prefix}/${decoder}`, told(decoder, readFileSync(createRequire(import.meta.url).resolve('jsqr')))],
    ]);
  }

  takes(path: string): boolean {
    return path === prefix || path.startsWith(`${prefix}/`);
  }

  /** @throws {PortcullisError} `route_unknown`, `method_not_allowed` */
  answer(request: IncomingMessage): Told {
    const path = pathOf(request);
    const file = this.#files.get(path);
    if (!file) throw new PortcullisError('route_unknown', 'the page of checkpoints has no such file');
    requireMethod(request, path, 'GET');
    if (request.headers['if-none-match'] !== file.headers.etag) return file;
    return { status: 304, headers: file.headers, body: '' };
  }
}

const types: Readonly<Record<string, string>> = { html: 'text/html', css: 'text/css', js: 'text/javascript' };

function told(name: string, body: Buffer): Told {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  const type = types[name.slice(name.lastIndexOf('.') + 1)];
  // The page lies above its own files, and its worker keeps it too.
  const scope = name === worker ? { 'service-worker-allowed': prefix } : {};
  return { status: 200, headers: { ...always, 'content-type': `${type}; charset=utf-8`, etag, ...scope }, body };
}
