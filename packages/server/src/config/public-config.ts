import { isIP } from 'node:net';
import { Host } from '@portcullis/contract';
import { z } from 'zod';
import { HttpsUrl, Port } from './fleet-config.ts';

const FilePath = z.string().min(1).max(4_096);
const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
const isOrigin = (url: string) => {
  const { pathname, search, hash, username, password } = new URL(url);
  return pathname === '/' && [search, hash, username, password].every((part) => part === '');
};

/** Phones do not know the fleet's root: where they reach this desk, with a certificate that they know. */
export const PublicConfig = z
  .strictObject({
    /** What codes contain: where phones reach this desk, by https and without a path. */
    url: HttpsUrl.refine(isOrigin, 'must be https:// and a name, with a port if need be, and no path'),
    /** The address that is bound there. */
    host: Host.default('127.0.0.1'),
    /** The port that is bound there. */
    port: Port,
    /** A file with a certificate of a public authority, and its chain behind it, in PEM; read again when it is replaced. Left out, with `key`: there is no TLS here, `host` is of this machine, and a proxy stands before it. */
    certificate: FilePath.optional(),
    /** The file with its key, in PEM, mode 600; read again when it is replaced. */
    key: FilePath.optional(),
  })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    message: '"certificate" and "key" go together',
    path: ['certificate'],
  })
  .refine(({ certificate, host }) => certificate !== undefined || isLoopback(host), {
    message: 'without a certificate it must be an address of this machine (127.0.0.1): a proxy stands before it',
    path: ['host'],
  });
export type PublicConfig = z.infer<typeof PublicConfig>;
