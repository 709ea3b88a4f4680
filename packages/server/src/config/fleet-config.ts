import { isIP } from 'node:net';
import { isAbsolute, join } from 'node:path';
import {
  type AttributeType,
  type AttributeValue,
  FleetName,
  Host,
  Hosts,
  oneOf,
  PortcullisError,
} from '@portcullis/contract';
import { z } from 'zod';
import { AlertsConfig } from './alerts-config.ts';
import { MetricsConfig } from './figures-address.ts';
import { fleetInCommon, type InCommon } from './in-common.ts';
import { KeysConfig } from './keys-config.ts';
import { ProfilesSection } from './profiles-config.ts';
import { readSaid } from './read-yaml.ts';
import { AttributesSection, SignalsSection } from './signals-config.ts';

export const Port = z.int().min(0).max(65_535);
export const HttpsUrl = z.url({ protocol: /^https$/, message: 'must be an https address' });
/** One, or several that stand for each other: whoever looks for one asks them in turn. */
export const HttpsUrls = z.union([HttpsUrl, z.array(HttpsUrl).min(1).max(8)]);
/** Readers of lists know no TLS of ours, and an address in a certificate outlives many a machine: so it is a name (RFC 5280 §4.2.1.13). */
export const RevocationUrl = z
  .url({ protocol: /^http$/, message: 'must be an http address' })
  .refine((url) => /^http:\/\/[^/?#@]+$/.test(url), 'must be http://NAME or http://NAME:PORT, and no more')
  .refine((url) => isIP(new URL(url).hostname.replace(/^\[|\]$/g, '')) === 0, 'must have a DNS name, and no address');
const absolutePath = z.string().min(1).max(4_096).refine(isAbsolute, 'must be an absolute path');
const shipProgram = z
  .array(z.string().min(1).max(4_096))
  .min(1)
  .max(32)
  .refine(([file = '']) => isAbsolute(file), 'must begin with an absolute path');
export const LogLevel = oneOf(['debug', 'info', 'warn', 'error']);

/** A password stands in a file of its owner alone, which it names. */
const urlOf = (scheme: RegExp, form: string) =>
  z
    .string()
    .max(2_048)
    .regex(scheme, `must be ${form}`)
    .refine((url) => !/^\w+:\/\/[^/@]*:[^/@]*@/.test(url), 'must hold no password; name a file with it: passfile=FILE');
export const DatabaseUrl = urlOf(/^postgres(ql)?:\/\//, 'postgres://USER@HOST:PORT/DATABASE');
export const SinkUrl = urlOf(
  /^(postgres(ql)?|nats):\/\//,
  'postgres://USER@HOST:PORT/DATABASE or nats://HOST:PORT/STREAM',
);

/** `fleet.yaml`: the authority's own configuration. */
export const FleetFile = z.strictObject({
  /** The fleet's name, as in every certificate's URI. It is made by `init` and never changes. */
  fleet: FleetName,
  /** DNS names and addresses of the authority's server certificate, and of the gate that `init` made beside it. */
  hosts: Hosts,
  listen: z.strictObject({
    /** The address that the authority's listeners bind. */
    host: Host.default('127.0.0.1'),
    /** Port of the API (mTLS). */
    apiPort: Port.default(8440),
    /** Port for enrolment and renewal (server certificate only). */
    enrolmentPort: Port.default(8441),
    /** Port for sources of signals without a client certificate; closed while there is none. Left out: that of the API and 7. */
    sourcesPort: Port.optional(),
  }),
  /** Where gates and operators reach the API; of several authorities, of which one leads, a list. */
  authorityUrl: HttpsUrls,
  /** Where the authority's own enrolment listener is reached: by gates, desks and operators, by devices of the first release, and by all while there is no desk. Of several authorities a list. */
  enrolmentUrl: HttpsUrls,
  /** Where a desk is reached, or a list of where several are. Given: devices enrol and renew there. */
  deskUrl: HttpsUrls.optional(),
  /** Where a desk's `listen.revocationPort` is reached: from then on certificates name their issuer's list and certificate there. */
  revocationUrl: RevocationUrl.optional(),
  /** What devices are told of gates before any gate has announced itself. */
  gates: z.array(HttpsUrl).max(64).default([]),
  /** Where the authority's store is: `postgres://USER@HOST/DATABASE?schema=NAME&passfile=FILE&sslrootcert=FILE`. Left out: a file beside this one. */
  store: DatabaseUrl.optional(),
  /** How long a gate may decide without hearing from the authority, in milliseconds. */
  leaseMs: z.int().min(200).max(3_600_000).default(5_000),
  /** How long a change may wait for one gate before that gate gets no further lease, in milliseconds. */
  patienceMs: z.int().min(50).max(600_000).default(1_000),
  /** Types of attribute names, or `{type, order}` with the values from the least strict to the strictest; a name that is not here gets the type of its first use. */
  attributes: AttributesSection.default({}),
  keys: KeysConfig.optional(),
  issuers: z
    .strictObject({
      /** How many certificates of devices that live one issuer is to have: its list is as long as the share of them that is revoked. From 80 % on another issuer is made beside it, by itself where the root's key is here and no other authority may lead, and else an alert asks for it; nothing is refused. */
      perCertificates: z.int().min(100).max(10_000_000).default(100_000),
    })
    .default({ perCertificates: 100_000 }),
  /** By kind of subject, what its certificates are like. */
  profiles: ProfilesSection.default({}),
  /** Who may signal, and what follows. */
  signals: SignalsSection.default({}),
  alerts: AlertsConfig.default(AlertsConfig.parse({})),
  metrics: MetricsConfig.optional(),
  /** What becomes of the journal, and of all that is stored with it. */
  journal: z
    .strictObject({
      /** A directory, by its absolute path, on another disk or machine: what each transaction did is put there in files, within a second, so that a restored backup is brought up to it. Or a program, by its absolute path, and its arguments: it gets each file on its standard input and its name as the last argument, and exits 0 once it is safe. */
      ship: z.union([absolutePath, shipProgram], 'must be an absolute path, or a list that begins with one').optional(),
    })
    .default({}),
  /** How much the authority says on standard error. */
  log: LogLevel.default('info'),
});
type InFile = z.infer<typeof FleetFile>;
/** Types of attributes by name, and apart from them the orders of their values, of those that declare one. */
export type FleetConfig = Omit<InFile, 'attributes'> & {
  attributes: Readonly<Record<string, AttributeType>>;
  orders: Readonly<Record<string, readonly AttributeValue[]>>;
  /** What all authorities of the fleet must have alike, by its hashes. */
  inCommon: InCommon;
};

const address = 'https://localhost';
/** What each key is where it is left out. */
const usual = FleetFile.parse({
  ...{ fleet: 'none', hosts: ['localhost'], listen: {}, authorityUrl: address, enrolmentUrl: address },
});

/** @throws {PortcullisError} `config_invalid`, `fleet_missing` */
export function loadFleetConfig(directory: string): FleetConfig {
  const file = join(directory, 'fleet.yaml');
  const { said, parsed: config } = readSaid(file, FleetFile);
  if (config.patienceMs > config.leaseMs) {
    const why = `"patienceMs" (${config.patienceMs}) must not be longer than "leaseMs" (${config.leaseMs})`;
    throw new PortcullisError('config_invalid', `${file}: ${why}`);
  }
  if (config.store !== undefined && config.journal.ship !== undefined) {
    const why = '"journal.ship" is of a store in a file; PostgreSQL has its own replication';
    throw new PortcullisError('config_invalid', `${file}: ${why}`);
  }
  const { host, apiPort, sourcesPort } = config.listen;
  requireSenders(file, host, config.signals);
  // A port of 0 is any that is free.
  const usualPort = apiPort === 0 ? 0 : apiPort + sourcesOffset;
  const declared = Object.entries(config.attributes);
  return {
    ...config,
    listen: { ...config.listen, sourcesPort: sourcesPort ?? usualPort },
    attributes: Object.fromEntries(declared.map(([name, { type }]) => [name, type])),
    orders: Object.fromEntries(declared.flatMap(([name, { order }]) => (order ? [[name, order]] : []))),
    inCommon: fleetInCommon(said, config, usual),
  };
}

const sourcesOffset = 7;
/** What is bound there, no other machine reaches. */
const ownHost = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** On a network anybody could try: who may is said. @throws {PortcullisError} `config_invalid` */
function requireSenders(file: string, host: string, signals: FleetConfig['signals']): void {
  if (ownHost.test(host)) return;
  const open = Object.entries(signals).find(
    ([, source]) => source.certificate === undefined && source.from.length === 0,
  );
  if (!open) return;
  const why = `"signals.${open[0]}" must name the addresses in "from" that it sends from, since "listen.host" is ${host}`;
  throw new PortcullisError('config_invalid', `${file}: ${why}`);
}
