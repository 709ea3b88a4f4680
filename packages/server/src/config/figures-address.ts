import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { z } from 'zod';

const socketPrefix = 'unix:';
/** Linux takes 107 bytes, macOS 103 (`sun_path`). */
const socketPathBytesMax = 103;
const loopback = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})$/;

const isSocketPath = (path: string) => isAbsolute(path) && Buffer.byteLength(path) <= socketPathBytesMax;
export const SocketPath = z.string().refine(isSocketPath, 'must be an absolute path of at most 103 bytes');

/** `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `unix:/run/portcullis-gate/figures.sock`: what no other machine reaches. */
export const FiguresAddress = z.string().transform((text, context) => {
  const read = text.startsWith(socketPrefix) ? socketIn(text) : portIn(text);
  if (read) return read;
  const message = `must be an address of this machine with a port (127.0.0.1:9464), or unix: and an absolute path; "${text}" is neither`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

function socketIn(text: string): { path: string } | undefined {
  const path = text.slice(socketPrefix.length);
  return isSocketPath(path) ? { path } : undefined;
}

function portIn(text: string): { host: string; port: number } | undefined {
  const [, name, digits] = loopback.exec(text) ?? [];
  const port = Number(digits);
  if (name === undefined || port > 65_535) return undefined;
  // A name may be given any address, and 127.0.0.256 is one; what is bound is this machine's own.
  const host = name === 'localhost' ? '127.0.0.1' : name.replace(/^\[|\]$/g, '');
  return isIP(host) ? { host, port } : undefined;
}

export const MetricsConfig = z.strictObject({
  /** Where figures are told without a client certificate, at `/metrics`, and `/livez` and `/readyz` are answered; nowhere without this: `127.0.0.1:PORT`, another `127.` address, `[::1]:PORT` or `localhost:PORT`; or `unix:` and the absolute path of a socket, of at most 103 bytes. */
  listen: FiguresAddress,
});
