import { join, resolve } from 'node:path';
import { Host } from '@portcullis/contract';
import { z } from 'zod';
import { MetricsConfig } from './figures-address.ts';
import { HttpsUrl, HttpsUrls, LogLevel, Port } from './fleet-config.ts';
import { PublicConfig } from './public-config.ts';
import { readYaml } from './read-yaml.ts';

const milliseconds = (least: number, most: number, usual: number) => z.int().min(least).max(most).default(usual);
const count = (most: number, usual: number) => z.int().min(1).max(most).default(usual);
/** Four of the longest handshakes at least. */
const bytesAMinute = (usual: number) =>
  z
    .int()
    .min(65_536)
    .max(2 ** 40)
    .default(usual);

const Limits = z.strictObject({
  /** How long a handshake may take. */
  handshakeMs: milliseconds(100, 120_000, 10_000),
  /** How many connections may be open at once, handshakes among them. */
  connectionsMax: count(100_000, 2_000),
  /** How many of them may not have ended their handshake. */
  pendingHandshakesMax: count(100_000, 256),
  /** How many bytes a minute may go to one address (of IPv6 one half) in handshakes that it does not finish; one that it finishes gives back as much. For more, its connections are closed before anything is said. */
  unfinishedBytesPerAddressMax: bytesAMinute(16 * 1_048_576),
  /** How many to all of them, at each listener. For more, only addresses come in of which somebody has finished one. */
  unfinishedBytesMax: bytesAMinute(256 * 1_048_576),
  /** How long a connection may idle between requests. */
  idleMs: milliseconds(1_000, 3_600_000, 15_000),
  /** How long a request may take to arrive. */
  requestMs: milliseconds(100, 3_600_000, 30_000),
  /** How many requests may be with the authority at once. */
  relayedMax: count(1_000, 32),
  /** How many of them from one address; one half of an IPv6 address is one. */
  relayedPerAddressMax: count(1_000, 16),
  /** How long the authority's answer is waited for. */
  relayMs: milliseconds(100, 120_000, 15_000),
  /** How old the authority's last word may be for look-ups to be answered. */
  lookUpAgeMs: milliseconds(1_000, 3_600_000, 60_000),
  /** The same for public answers, by code: they say themselves as of when they are. */
  publicAgeMs: milliseconds(1_000, 86_400_000, 3_600_000),
});

/** `desk.yaml`: the process that strangers reach. */
export const DeskFile = z.strictObject({
  /** Where the authority's API is; of several authorities, of which one leads, a list. */
  authority: HttpsUrls,
  /** Where devices reach this desk. */
  url: HttpsUrl,
  listen: z.strictObject({
    /** The address that the desk binds. */
    host: Host.default('127.0.0.1'),
    /** Port where devices enrol and renew (server certificate only). */
    port: Port.default(8441),
    /** Port of public look-ups (server certificate only). Left out: the desk answers none, and is told nothing. */
    publicPort: Port.optional(),
    /** Port of lists of revoked certificates, of issuers' certificates and of answers by OCSP, without TLS. Left out: the desk gives none. */
    revocationPort: Port.optional(),
    /** Port where devices enrol and renew by EST (RFC 7030), with a client certificate or none. Left out: nowhere. */
    estPort: Port.optional(),
  }),
  public: PublicConfig.optional(),
  metrics: MetricsConfig.optional(),
  limits: Limits.default(Limits.parse({})),
  /** How much the desk says on standard error. */
  log: LogLevel.default('info'),
});
export type DeskConfig = z.infer<typeof DeskFile>;

/** Its files are named from where it lies. @throws {PortcullisError} `config_invalid`, `fleet_missing` */
export function loadDeskConfig(directory: string): DeskConfig {
  const config = readYaml(join(directory, 'desk.yaml'), DeskFile);
  const { public: phones } = config;
  if (phones?.certificate === undefined || phones.key === undefined) return config;
  const files = { certificate: resolve(directory, phones.certificate), key: resolve(directory, phones.key) };
  return { ...config, public: { ...phones, ...files } };
}
