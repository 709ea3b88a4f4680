import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import { carry } from './commands/carry-command.ts';
import { enrolDevice } from './commands/enrol-command.ts';
import { dropOutbox, listOutbox, retryOutbox } from './commands/outbox-command.ts';
import { type Output, outputTo } from './commands/output.ts';
import { routeOf } from './commands/route.ts';
import { runDevice } from './commands/run-command.ts';
import { sendReadings } from './commands/send-command.ts';
import { verifyAnswer } from './commands/verify-command.ts';
import { credentialFileIn, readCredential } from './credential/credential.ts';
import { exportCredential } from './credential/export.ts';
import { tokenFrom } from './credential/token-word.ts';

const help = `portcullis-device: the device's side of a fleet

  portcullis-device enrol TOKEN|@FILE|-        make a key, and get a certificate for it with the token
  portcullis-device send STREAM [FILE|-]       send JSON lines from a file or a pipe
  portcullis-device run [--metrics]            stay until told to stop: send what waits, and renew; with --metrics
                                               send this machine's own load, memory, disk and temperature
  portcullis-device carry --listen HOST:PORT   stay until told to stop: take what devices sealed, and carry it to a gate
  portcullis-device outbox list [STREAM]       what waits, for each stream
  portcullis-device outbox drop STREAM         throw away what waits for a stream
  portcullis-device outbox retry [STREAM]      send what waits now; with --refused what was refused, as it is
  portcullis-device export DIR                 write cert.pem, key.pem and root.pem for other tools
  portcullis-device verify FILE|- --root FILE  check a public answer or a label's statement, without a network

  --device DIR        where credential and outbox are (PORTCULLIS_DEVICE, else ./device)
  --keys ALGORITHM    enrol: what key is made: p-256, ml-dsa-44, ml-dsa-65 or ml-dsa-87 (what the token says)
  --key-file FILE     enrol: with this key, which is in a TPM (TSS2 PRIVATE KEY in PEM), instead of one that is made
  --replace           enrol: where a credential is, move it aside, with the readings of its subject
  --json              one JSON object instead of words; also when it fails
  --version           the version of this program
  --mqtt              send, run, outbox retry: by MQTT 5 instead of HTTPS
  --gate URL          send, run, outbox retry: to this gate instead of those that the credential names; may be given again
  --via URL           send, run, outbox retry: sealed by this device, to whoever carries it to a gate; may be given again
  --wait SECONDS      send, outbox retry: how long to go on without an acknowledgement once all is read, and to let a renewal
                      that is due end (10)
  --resume            send FILE: go on behind what the last send of this file took; --no-resume: send all of it anew
  --skip-bad          send: set lines that are no readings apart in bad-lines/, and go on (so with a pipe); --no-skip-bad: stop
                      at the first one (so with a file)
  --trace             send, run: say of each acknowledgement which gate has which readings, by the ids of the first and the last
  --refused           outbox retry: the readings in refused.ndjson, once the schema or the condition is mended
  --stream STREAM     run --metrics: where the figures go (telemetry)
  --listen HOST:PORT  carry: where devices hand over, in plain HTTP: what they sealed needs no other protection
  --root FILE         verify: the root certificate of the fleet; with --kept what it said then counts, also when it is not good any more
  --interval SECONDS  run --metrics: how often (1)

A line for send is one JSON object; its "_id" and "_time" are the reading's id and time, which are made if they are not given.
It is kept and sent as it is written, digit for digit. While run holds the directory, send hands its lines to it. At its end send
prints what it sent, and of its stream what was acknowledged (with what waited from before), refused (moved to refused.ndjson),
and kept in the outbox for the next send or run. docs/device.md tells more.
Exit status: 0 done, 1 refused or failed, 2 wrong usage. That of send is about the readings that it was given.
`;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const options = {
  device: { type: 'string', default: process.env.PORTCULLIS_DEVICE || './device' },
  json: { type: 'boolean', default: false },
  wait: { type: 'string', default: '10' },
  stream: { type: 'string', default: 'telemetry' },
  interval: { type: 'string', default: '1' },
  root: { type: 'string' },
  listen: { type: 'string' },
  kept: { type: 'boolean', default: false },
  metrics: { type: 'boolean', default: false },
  mqtt: { type: 'boolean', default: false },
  gate: { type: 'string', multiple: true },
  via: { type: 'string', multiple: true },
  keys: { type: 'string' },
  'key-file': { type: 'string' },
  replace: { type: 'boolean', default: false },
  refused: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
  resume: { type: 'boolean' },
  'skip-bad': { type: 'boolean' },
  version: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies ParseArgsConfig['options'];

type Values = ReturnType<typeof parseWords>['values'];

/** Runs one command; resolves to its exit status. */
export async function main(
  words: string[],
  out: Writable = process.stdout,
  side: Writable = process.stderr,
): Promise<number> {
  const output = outputTo(out, side, words.includes('--json'));
  try {
    const { values, positionals } = parseWords(words);
    if (values.help) {
      out.write(help);
      return 0;
    }
    if (values.version) {
      output.result({ version }, version);
      return 0;
    }
    return await command(positionals, values, output);
  } catch (error) {
    return output.failure(error);
  }
}

function parseWords(words: string[]) {
  try {
    return parseArgs({ args: words, options, allowPositionals: true, allowNegative: true });
  } catch (cause) {
    const { message } = cause as Error;
    const words = `${message.charAt(0).toLowerCase()}${message.slice(1)}`;
    throw new PortcullisError('usage', `${words}; --help tells more`, { cause });
  }
}

async function command([name, ...operands]: string[], values: Values, output: Output): Promise<number> {
  switch (name) {
    case 'enrol': {
      const [token] = operandsOf(operands, 1, 1, 'enrol TOKEN|@FILE|-');
      return enrolDevice(
        {
          ...{ token: await tokenFrom(token as string), directory: values.device, replace: values.replace },
          keys: keysOf(values),
          keyFile: values['key-file'],
        },
        output,
      );
    }
    case 'send': {
      const [stream, file = '-'] = operandsOf(operands, 1, 2, 'send STREAM [FILE|-]');
      return sendReadings(
        {
          directory: values.device,
          stream: stream as string,
          file,
          route: routeOf(values),
          waitMs: secondsOf('wait', values.wait),
          resume: values.resume,
          skipBad: values['skip-bad'],
          trace: values.trace,
        },
        output,
      );
    }
    case 'carry': {
      operandsOf(operands, 0, 0, 'carry --listen HOST:PORT');
      return carry({ directory: values.device, listen: values.listen }, output);
    }
    case 'outbox':
      return outboxCommand(operands, values, output);
    case 'run': {
      operandsOf(operands, 0, 0, 'run [--metrics]');
      const metrics = values.metrics
        ? { stream: values.stream, intervalMs: secondsOf('interval', values.interval, 0.1) }
        : undefined;
      return runDevice({ directory: values.device, route: routeOf(values), metrics, trace: values.trace }, output);
    }
    case 'export': {
      const [target] = operandsOf(operands, 1, 1, 'export DIR');
      const files = exportCredential(readCredential(credentialFileIn(values.device)), target as string);
      output.result({ files }, files.join('\n'));
      return 0;
    }
    case 'verify': {
      const [file] = operandsOf(operands, 1, 1, 'verify FILE|- --root FILE');
      return verifyAnswer({ file: file as string, root: values.root, kept: values.kept }, output);
    }
    case undefined:
      throw new PortcullisError(
        'usage',
        'name a command: enrol, send, run, carry, outbox, export or verify (--help tells more)',
      );
    default:
      throw new PortcullisError(
        'usage',
        `command "${name}" is unknown; it must be one of [enrol, send, run, carry, outbox, export, verify]`,
      );
  }
}

function outboxCommand([name, ...operands]: string[], values: Values, output: Output): Promise<number> | number {
  const directory = values.device;
  switch (name) {
    case 'list': {
      const [stream] = operandsOf(operands, 0, 1, 'outbox list [STREAM]');
      return listOutbox({ directory, stream }, output);
    }
    case 'drop': {
      const [stream] = operandsOf(operands, 1, 1, 'outbox drop STREAM');
      return dropOutbox({ directory, stream: stream as string }, output);
    }
    case 'retry': {
      const [stream] = operandsOf(operands, 0, 1, 'outbox retry [--refused] [STREAM]');
      return retryOutbox(
        {
          ...{ directory, stream, route: routeOf(values) },
          refused: values.refused,
          waitMs: secondsOf('wait', values.wait),
        },
        output,
      );
    }
    default:
      throw new PortcullisError('usage', `outbox "${name ?? ''}" is unknown; it must be one of [list, drop, retry]`);
  }
}

function keysOf({ keys }: Values): KeyAlgorithm | undefined {
  const parsed = KeyAlgorithm.optional().safeParse(keys);
  if (parsed.success) return parsed.data;
  throw new PortcullisError('usage', `--keys ${parsed.error.issues[0]?.message}`);
}

function operandsOf(operands: string[], least: number, most: number, usage: string): string[] {
  if (operands.length >= least && operands.length <= most) return operands;
  throw new PortcullisError('usage', `usage: portcullis-device ${usage}`);
}

function secondsOf(name: string, value: string, least = 0): number {
  const seconds = Number(value);
  if (value !== '' && seconds >= least && seconds <= 86_400) return seconds * 1000;
  throw new PortcullisError('usage', `--${name} ${value} is not a number of seconds from ${least} to 86400`);
}
