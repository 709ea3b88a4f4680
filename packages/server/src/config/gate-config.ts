import { join } from 'node:path';
import { AttributeName, gateWorkersMax, Host, Kind, readingBounds, StreamName } from '@portcullis/contract';
import { z } from 'zod';
import { Carry } from './carry-config.ts';
import { Expectation } from './expectation.ts';
import { MetricsConfig, SocketPath } from './figures-address.ts';
import { HttpsUrl, HttpsUrls, LogLevel, Port, SinkUrl } from './fleet-config.ts';
import { readYaml } from './read-yaml.ts';

const fileName = z.string().min(1).max(4_096);

const Stream = z.strictObject({
  /** The kinds of subjects that may send. */
  kinds: z.array(Kind).min(1).default(['device']),
  /** What each attribute must be: a value, `{min, max}` or `{in: [...]}`. Missing or of another type is refused. */
  expect: z.record(AttributeName, Expectation).default({}),
  /** A CEL expression over `reading`, `subject` and `attributes` that must be true. */
  when: z.string().min(1).max(2_000).optional(),
  /** A file beside this one with what is expected of each subject (NDJSON); one without a line, or with two, is refused. */
  expectedFrom: fileName.optional(),
  /** A file beside this one with the JSON Schema (draft 2020-12, or 7 where it says so) that each reading must match. */
  schema: fileName.optional(),
  /** `admission-only`: a proxy that asks (`listen.decidePort`, `listen.decideSocket`) is answered though `when` or `schema` look at the reading, which it does not show. */
  decide: z.enum(['admission-only']).optional(),
});

export type StreamInFile = z.infer<typeof Stream>;

const milliseconds = (least: number, most: number, usual: number) => z.int().min(least).max(most).default(usual);
const count = (most: number, usual: number, least = 1) => z.int().min(least).max(most).default(usual);
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
  /** How many handshakes may be under way at once. For one more, one of the address that has most of them gives way, or it is dropped itself. With more of them all are back sooner after a power cut, and those that are connected wait longer meanwhile. */
  pendingHandshakesMax: count(100_000, 512),
  /** How many connections may be open at once. For one more, one of the address that has most gives way: the one that idled longest, if any. */
  connectionsMax: count(1_000_000, 20_000),
  /** How many of them with one certificate. One more takes the place of the one that was silent for longest. */
  connectionsPerCertificateMax: count(100_000, 16),
  /** How many bytes a minute may go to one address (of IPv6 one half) in handshakes that it does not finish; one that it finishes gives back as much. For more, its connections are closed before anything is said. */
  unfinishedBytesPerAddressMax: bytesAMinute(16 * 1_048_576),
  /** How many to all of them, at each listener. For more, only addresses come in of which somebody has finished one. */
  unfinishedBytesMax: bytesAMinute(256 * 1_048_576),
  /** How long a connection may idle between requests. */
  idleMs: milliseconds(1_000, 86_400_000, 75_000),
  /** How long a request may take to arrive, and how long nothing of it may come. */
  requestMs: milliseconds(100, 3_600_000, 30_000),
  /** A body of readings may take longer, by a second for each so many bytes of it that have come. */
  bodyBytesPerSecondMin: count(2 ** 31, 1_024),
  /** How many readings may wait for their commit: not fewer than one request may hold, or that one would be refused for ever. */
  queueReadingsMax: count(10_000_000, 100_000, readingBounds.linesMax),
  /** How many bytes of them, and how many of bodies that are being received: not fewer than one request may have. */
  queueBytesMax: count(2 ** 31, 64 * 1024 * 1024, readingBounds.bodyBytesMax),
});

/** On the gate's disk: only where it is durable enough to acknowledge from. */
const Spool = z.strictObject({
  /** How many bytes the spool may have, of each process of the gate; when it is full, devices are told 503. */
  bytesMax: z
    .int()
    .min(16 * 1_048_576)
    .max(4 * 1_073_741_824)
    .default(256 * 1_048_576),
});

const GateKeys = z.strictObject({
  /** Where the authority's API is; of several authorities, of which one leads, a list. */
  authority: HttpsUrls,
  /** Where devices reach this gate. */
  url: HttpsUrl,
  listen: z.strictObject({
    /** The address that the gate binds. */
    host: Host.default('127.0.0.1'),
    /** Port where devices send, and operators ask. */
    port: Port.default(8443),
    /** Port where devices send over MQTT 3.1.1 and 5, with TLS; without it, nobody does. */
    mqttPort: Port.optional(),
    /** Port (UDP) where sensors with a key credential send over CoAP, protected by OSCORE; without it, nobody does. */
    coapPort: Port.optional(),
    /** Port where proxies ask that are gateways with the attribute `proxy: true`, and none without this. */
    decidePort: Port.optional(),
    /** Where proxies of this machine ask, and nowhere without this: the absolute path of a socket, of at most 103 bytes. Whoever may write to it may ask. */
    decideSocket: SocketPath.optional(),
  }),
  /** Where readings go: `postgres://USER@HOST/DATABASE?schema=NAME&passfile=FILE&sslrootcert=FILE`, or `nats://USER@HOST:PORT/STREAM?passfile=FILE&credentials=FILE&cafile=FILE`, a stream of NATS JetStream; several gates may share either. Left out: a file of this gate. */
  sink: SinkUrl.optional(),
  /** While the sink is away, readings are acknowledged from the gate's own disk and stored later, as unproven. Left out: nothing is acknowledged then. It needs a `sink`, and a disk that is as durable as an acknowledgement says. */
  spool: Spool.optional(),
  /** How many days readings and refusals are kept; 0 is for ever. More than a tenth of them at once waits for `gate accept-prune`. */
  retainDays: z.int().min(0).max(36_500).default(30),
  /** As how many processes the gate runs, at the same ports: more than one need a `sink`, in which a reading is stored once whoever of them took it. CoAP, proxies that ask and figures are at the first. */
  workers: count(gateWorkersMax, 1),
  /** Channels of readings, each with what it expects. */
  streams: z.record(StreamName, Stream),
  carry: Carry.optional(),
  limits: Limits.default(Limits.parse({})),
  metrics: MetricsConfig.optional(),
  /** How much the gate says on standard error. */
  log: LogLevel.default('info'),
});

/** Whatever process of a gate took it, a reading is stored once: by the key that gates of a shared sink have in common. */
export const hasSinkForWorkers = ({ sink }: { sink?: string | undefined }, workers: number) =>
  workers === 1 || sink !== undefined;
export const sinkForWorkersWords =
  'more than one process needs a "sink" that gates can share: one in PostgreSQL (postgres://…) or in NATS JetStream (nats://…); a file of the gate has one writer';

/** `gate.yaml`: what one gate expects, and of whom. Of it the authority learns the names of the attributes alone. */
export const GateFile = GateKeys.refine((gate) => hasSinkForWorkers(gate, gate.workers), {
  path: ['workers'],
  message: sinkForWorkersWords,
}).refine(({ sink, spool }) => spool === undefined || sink !== undefined, {
  path: ['spool'],
  message: 'a spool is for a "sink" that can be away: without one, readings go to a file on the same disk',
});
export type GateConfig = z.infer<typeof GateFile>;

/** @throws {PortcullisError} `config_invalid`, `fleet_missing` */
export function loadGateConfig(directory: string): GateConfig {
  return readYaml(join(directory, 'gate.yaml'), GateFile);
}
