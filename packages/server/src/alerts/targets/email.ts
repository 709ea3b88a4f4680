import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { type AlertKind, alertKinds, counted } from '@portcullis/contract';
import { createTransport } from 'nodemailer';
import { isLoopback, type Reach, reachable } from '../../bounds/bounds.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import { type Message, NotTold, type Teller, type ToldAlert } from '../message.ts';

interface Email extends Reach {
  fleet: string;
  /** `smtps:` speaks TLS from the first byte, `smtp:` after STARTTLS, which must be offered unless the server is this machine's own. */
  server: URL;
  from: string;
  recipients: readonly string[];
  user?: string | undefined;
  /** As its file holds it now. */
  password?: (() => string) | undefined;
  ca?: string | undefined;
}

/** RFC 8314 §3.3, RFC 6409 §3.1. */
const ports = { 'smtps:': 465, 'smtp:': 587 } as const;
const stepMsMax = 10_000;
/** Of more alerts than these a mail says how many they are. */
const writtenOutMax = 50;

/** One mail over a connection of its own, to the address that was checked. */
export function email(settings: Email): Teller {
  return {
    async tell(message, signal) {
      const socket = await connected(settings, signal);
      const transport = createTransport({
        ...transportOf(settings, socket.remoteAddress ?? ''),
        getSocket: given(socket),
      });
      const stop = () => socket.destroy();
      signal.addEventListener('abort', stop, { once: true });
      try {
        await Promise.race([transport.sendMail(mailOf(message, settings)), aborted(signal)]);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw notTold(error as Error & { responseCode?: number; command?: string });
      } finally {
        signal.removeEventListener('abort', stop);
        socket.destroy();
      }
    },
  };
}

const bare = ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, '');

/** To an address that was checked, and by no other way. */
async function connected({ server, allowPrivate }: Email, signal: AbortSignal): Promise<Socket> {
  const [found] = await reachable(server.hostname, { allowPrivate }).catch((error: Error) => {
    throw new NotTold(error.message, { cause: error });
  });
  const port = Number(server.port) || ports[server.protocol as keyof typeof ports];
  const socket = connect({ host: (found as { address: string }).address, port });
  try {
    await once(socket, 'connect', { signal });
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    throw new NotTold((error as Error).message, { cause: error });
  }
  return socket;
}

type SocketTaken = (error: Error | null, given: { connection: Socket }) => void;
const given = (connection: Socket) => (_options: object, taken: SocketTaken) => taken(null, { connection });

function transportOf({ server, user, password, ca }: Email, address: string) {
  const secure = server.protocol === 'smtps:';
  const auth = user !== undefined && password ? { auth: { user, pass: password() } } : {};
  return {
    ...{ host: bare(server), secure, requireTLS: !secure && !isLoopback(address), ...auth },
    // An address is no name (RFC 6066 §3); it is checked as one all the same.
    tls: { ...(isIP(bare(server)) === 0 && { servername: bare(server) }), ...(ca !== undefined && { ca }) },
    ...{ greetingTimeout: stepMsMax, socketTimeout: stepMsMax, disableFileAccess: true, disableUrlAccess: true },
  };
}

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

/** 552, 554 and the like are said of a mail, 535 of who sends it (RFC 5321 §4.2.3, RFC 4954 §6). */
function notTold(error: Error & { responseCode?: number; command?: string }): NotTold {
  const messageAlone = error.command === 'DATA' && (error.responseCode ?? 0) >= 500;
  return new NotTold(error.message, { messageAlone, cause: error });
}

function mailOf(message: Message, { fleet, from, recipients }: Email) {
  const { id, kind, at } = message;
  return {
    ...{ from, to: [...recipients], subject: subjectOf(message, fleet), text: textOf(message, fleet) },
    // The same however often it is sent.
    ...{ messageId: `<${id}@${fleet}.portcullis>`, date: new Date(at) },
    // RFC 3834 §5: nobody's absence is answered.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Portcullis-Alert': kind },
  };
}

function subjectOf({ kind, phase, alerts, repeats }: Message, fleet: string): string {
  const state = phase === 'settled' ? 'over: ' : repeats > 0 ? 'still: ' : '';
  const [first] = alerts;
  const what = alerts.length === 1 ? (first?.says ?? '') : `${counted(alerts.length, 'alert')}: ${titleOf(kind)}`;
  return `[${fleet}] ${state}${what}`;
}

const titleOf = (kind: AlertKind) => alertKinds[kind].title;

function textOf({ kind, phase, alerts }: Message, fleet: string): string {
  const left = alerts.length - writtenOutMax;
  const more = left > 0 ? [`and ${counted(left, 'more', 'more')}: portcullis alert list --kind ${kind}`, ''] : [];
  const paragraphs = alerts.slice(0, writtenOutMax).flatMap((alert) => [...linesOf(alert, phase), '']);
  return [`Fleet ${fleet}, ${kind} (${alertKinds[kind].severity}): ${titleOf(kind)}`, '', ...paragraphs, ...more].join(
    '\n',
  );
}

function linesOf({ id, subject, at, settledAt, says, detail }: ToldAlert, phase: string): string[] {
  return [
    says,
    ...(subject === null ? [] : [`  subject  ${subject}`]),
    `  at       ${timestamp(at)}`,
    ...(phase === 'settled' && settledAt !== null ? [`  over     ${timestamp(settledAt)}`] : []),
    `  detail   ${JSON.stringify(detail)}`,
    `  alert    ${id}`,
  ];
}
