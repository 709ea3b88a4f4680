import type { Teller } from './message.ts';
import { alertmanager } from './targets/alertmanager.ts';
import { command } from './targets/command.ts';
import { email } from './targets/email.ts';
import { webhook, webhookKey } from './targets/webhook.ts';
import { type Target, type TellingParts, tellTargets } from './telling.ts';

/** A target as `fleet.yaml` says it, checked there: one of the four, with the keys that it has. */
export interface TargetSettings {
  webhook?: string | undefined;
  secrets?: readonly string[] | undefined;
  email?: EmailSettings | undefined;
  alertmanager?: string | undefined;
  command?: readonly string[] | undefined;
  ca?: string | undefined;
  allowPrivate: boolean;
  settled: boolean;
  groupWait: number;
  repeatInterval?: number | undefined;
}

interface EmailSettings {
  server: string;
  from: string;
  recipients: readonly string[];
  user?: string | undefined;
  password?: string | undefined;
}

export interface TargetParts {
  fleet: string;
  /** Milliseconds since 1970. */
  now(): number;
  /** What a file holds now, without the end of its line. `secret`: it must be its owner's alone. */
  readText(file: string, secret: boolean): string;
}

type Parts = Omit<TellingParts, 'targets'> & {
  targets: Readonly<Record<string, TargetSettings>>;
} & Omit<TargetParts, 'now'>;

/** Tells the targets that `fleet.yaml` names, until it is closed. @throws {PortcullisError} `config_invalid` */
export function openTelling({ targets, fleet, readText, ...parts }: Parts): AsyncDisposable {
  const { now } = parts.system;
  return tellTargets({ ...parts, targets: targetsFrom(targets, { fleet, readText, now }) });
}

const dayMs = 86_400_000;
const alertmanagerMs = 60_000;
/** What is sent to an Alertmanager holds for so many of its intervals. */
const leaseIntervals = 3;
const limits = { exchangeMs: 10_000, mailMs: 30_000, commandMs: 30_000 };

/** Reads the files that they name, so that what is wrong with them is said at the start. @throws {PortcullisError} `config_invalid` */
export function targetsFrom(settings: Readonly<Record<string, TargetSettings>>, parts: TargetParts): Target[] {
  return Object.entries(settings).map(([name, one]) => targetOf(name, one, parts));
}

function targetOf(name: string, settings: TargetSettings, parts: TargetParts): Target {
  const { groupWait: groupWaitMs, settled, repeatInterval } = settings;
  const leases = settings.alertmanager !== undefined;
  const repeatMs = repeatInterval ?? (leases ? alertmanagerMs : dayMs);
  const { teller, limitMs } = tellerOf(settings, repeatMs, parts);
  return { name, groupWaitMs: leases ? 0 : groupWaitMs, repeatMs, settled, leases, teller, limitMs };
}

function tellerOf(settings: TargetSettings, repeatMs: number, parts: TargetParts): { teller: Teller; limitMs: number } {
  const { fleet, now, readText } = parts;
  const { allowPrivate } = settings;
  const ca = settings.ca === undefined ? undefined : readText(settings.ca, false);
  if (settings.webhook !== undefined) {
    const { secrets: files = [] } = settings;
    const secrets = () => files.map((file) => readText(file, true));
    for (const secret of secrets()) webhookKey(secret);
    const url = new URL(settings.webhook);
    return { teller: webhook({ fleet, url, allowPrivate, ca, secrets, now }), limitMs: limits.exchangeMs };
  }
  if (settings.alertmanager !== undefined) {
    const leaseMs = leaseIntervals * repeatMs;
    const url = new URL(settings.alertmanager);
    return { teller: alertmanager({ fleet, url, allowPrivate, ca, leaseMs, now }), limitMs: limits.exchangeMs };
  }
  if (settings.email !== undefined) {
    const { server, from, recipients, user, password: file } = settings.email;
    const password = file === undefined ? undefined : () => readText(file, true);
    password?.();
    const sent = { fleet, allowPrivate, ca, server: new URL(server), from, recipients, user, password };
    return { teller: email(sent), limitMs: limits.mailMs };
  }
  return { teller: command(settings.command as [string, ...string[]], fleet), limitMs: limits.commandMs };
}
