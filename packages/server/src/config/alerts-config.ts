import { isAbsolute } from 'node:path';
import { AlertKind } from '@portcullis/contract';
import { z } from 'zod';
import { Duration, durationMs } from './duration.ts';

const Name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must match [a-z0-9][a-z0-9-]{0,31}');
const FileName = z.string().min(1).max(4_096);
const MailAddress = z.email().max(254);

function duration(least: string, most: string) {
  const [leastMs, mostMs] = [durationMs(least) ?? 0, durationMs(most) ?? 0];
  return Duration.refine((ms) => ms >= leastMs && ms <= mostMs, `must be from ${least} to ${most}`);
}
const oneLine = z.string().regex(/^[^\p{Cc}]*$/u, 'must be one line');

/** An address of the trade: nobody but the target itself is told in its text, so that it may be shown and logged. */
function address(schemes: readonly string[]) {
  return z
    .string()
    .max(2_048)
    .transform((text, context) => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      const why =
        url === undefined || !schemes.includes(url.protocol)
          ? `must be an address that begins with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`
          : url.username !== '' || url.password !== ''
            ? 'must have no user and no password; secrets are in files'
            : undefined;
      if (why === undefined) return text;
      context.addIssue({ code: 'custom', message: why });
      return z.NEVER;
    });
}

const Email = z.strictObject({
  /** The mail server: `smtps://HOST[:465]`, or `smtp://HOST[:587]`, which must offer STARTTLS unless it is this machine's own. */
  server: address(['smtps:', 'smtp:']),
  /** Who it is from. */
  from: MailAddress,
  /** Who it is for. */
  recipients: z.array(MailAddress).min(1).max(50),
  /** Who logs in there; with `password`. */
  user: oneLine.min(1).max(254).optional(),
  /** The file with the password, 0600. */
  password: FileName.optional(),
});

const kindsOfTargets = ['webhook', 'email', 'alertmanager', 'command'] as const;
type KindOfTarget = (typeof kindsOfTargets)[number];

/** Which keys only some kinds have. */
const belongsTo: Record<string, readonly KindOfTarget[]> = {
  secrets: ['webhook'],
  ca: ['webhook', 'email', 'alertmanager'],
  allowPrivate: ['webhook', 'email', 'alertmanager'],
  settled: ['webhook', 'email', 'command'],
  groupWait: ['webhook', 'email', 'command'],
};

const Target = z
  .strictObject({
    /** Where CloudEvents are posted, signed. `http` needs `allowPrivate`. */
    webhook: address(['https:', 'http:']).optional(),
    /** Of a webhook: files with `whsec_…`, 0600. Of two, the one that comes and the one that goes, both sign. */
    secrets: z.array(FileName).min(1).max(2).optional(),
    /** A mail to each of some people. */
    email: Email.optional(),
    /** An Alertmanager, without `/api`. `http` needs `allowPrivate`. */
    alertmanager: address(['https:', 'http:']).optional(),
    /** A program, by its absolute path, and its arguments: the CloudEvent is on its standard input, and it exits 0 once it has it. */
    command: z.array(oneLine.min(1).max(4_096)).min(1).max(32).optional(),
    /** The file with the certificates that the target's own must come from, in place of those that the system trusts. */
    ca: FileName.optional(),
    /** Loopback, link-local and private addresses may be connected to. */
    allowPrivate: z.boolean().default(false),
    /** It is told too when an alert that lasts is over. */
    settled: z.boolean().default(true),
    /** How long the first alert of a kind waits for others. */
    groupWait: duration('1s', '1h').prefault('5s'),
    /** How often it is told again while an alert lasts; of an Alertmanager a third of what each word to it holds. Default 1d, of an Alertmanager 1m. */
    repeatInterval: duration('1s', '30d').optional(),
  })
  .superRefine((target, context) => {
    const named = kindsOfTargets.filter((kind) => target[kind] !== undefined);
    const [kind] = named;
    const complain = (key: string | undefined, message: string) =>
      context.addIssue({ code: 'custom', message, path: key === undefined ? [] : [key] });
    if (kind === undefined || named.length > 1) {
      return complain(named[1], `must have one of [${kindsOfTargets.join(', ')}], and no second`);
    }
    for (const [key, kinds] of Object.entries(belongsTo)) {
      const given = target[key as keyof typeof target];
      const usual =
        given === undefined || (key === 'allowPrivate' && !given) || key === 'settled' || key === 'groupWait';
      if (!usual && !kinds.includes(kind)) complain(key, `is a key of [${kinds.join(', ')}], not of ${kind}`);
    }
    if (kind === 'webhook' && target.secrets === undefined)
      complain('webhook', 'needs "secrets": what it sends is signed');
    const url = target.webhook ?? target.alertmanager;
    if (url?.startsWith('http:') && !target.allowPrivate)
      complain(kind, 'must be https, unless "allowPrivate" is true');
    if (kind === 'command' && !isAbsolute(target.command?.[0] ?? ''))
      complain('command', 'must begin with an absolute path');
    const { user, password } = target.email ?? {};
    if ((user === undefined) !== (password === undefined)) complain('email', '"user" and "password" come together');
  });
export type AlertTarget = z.infer<typeof Target>;

const Route = z.strictObject({
  /** The kinds of alerts; not given: all. */
  kinds: z.array(AlertKind).min(1).optional(),
  /** The subjects, where `*` stands for anything; not given: all, and what is about none. */
  subjects: z
    .array(z.string().regex(/^[a-z0-9._*-]{1,63}$/, 'must be a subject, or a pattern of one with *'))
    .min(1)
    .max(100)
    .optional(),
  /** The targets. */
  to: z.array(Name).min(1).max(32),
});

const Refusals = z.strictObject({
  /** How many refusals of one subject within a minute ring. */
  perMinute: z.int().min(1).max(1_000_000).default(30),
});

/** `alerts:` in `fleet.yaml`: who is told of what. */
export const AlertsConfig = z
  .strictObject({
    /** Who is told, by a name of your own. */
    targets: z.record(Name, Target).default({}),
    /** What is told to whom: to all that a route which fits names. Not given: all of it to all. */
    routes: z.array(Route).max(100).optional(),
    refusals: Refusals.default(Refusals.parse({})),
    /** How long a reading may be missing, of those that its device counted, before it rings. */
    missing: duration('1m', '365d').prefault('15m'),
    /** How long before its end a certificate that nothing follows rings. */
    expiring: duration('1h', '365d').prefault('7d'),
  })
  .superRefine(({ targets, routes = [] }, context) => {
    for (const [index, { to }] of routes.entries())
      for (const [place, name] of to.entries()) {
        if (Object.hasOwn(targets, name)) continue;
        const message = `there is no target "${name}"; there are [${Object.keys(targets).join(', ')}]`;
        context.addIssue({ code: 'custom', message, path: ['routes', index, 'to', place] });
      }
  });
export type AlertsConfig = z.infer<typeof AlertsConfig>;
