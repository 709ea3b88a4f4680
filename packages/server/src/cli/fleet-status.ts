/** What is asked for "portcullis status", and what of the answers is wrong. */
import {
  AuthorityStatus,
  counted,
  DeskView,
  GateStatus,
  GateView,
  PortcullisError,
  type SpoolStatus,
} from '@portcullis/contract';
import { z } from 'zod';
import { askGates, eachWorker, type Gate } from './ask-gates.ts';
import type { FleetClient, StandbyFound } from './fleet-client.ts';
import { durationWords } from './rule.ts';

/** A gate as the authority knows it, and what it says itself; null: it could not be asked. */
export type GateFound = GateView & { own: GateStatus | null };

export interface FleetStatus {
  ok: boolean;
  /** What somebody has to do something about; any of it makes the exit status 1. */
  wrong: string[];
  /** What is good to know. */
  notes: string[];
  /** Null: it does not answer, and nothing of what follows is known. */
  authority: AuthorityStatus | null;
  /** The fleet's other authorities, where it has several and they answer. */
  standbys: StandbyFound[];
  gates: GateFound[];
  desks: DeskView[];
}

const Gates = z.object({ items: z.array(GateView) });
const Desks = z.object({ items: z.array(DeskView) });
/** A desk says each 5 s how it stands. */
const deskSilentMs = 20_000;
/** Whoever takes longer is not well. */
const answerMs = 5_000;
const freeBytesLeast = 512 * 1024 * 1024;
const freeShareLeast = 0.05;
const day = 86_400_000;
/** Noted a year ahead; in the last month it is wrong. */
const issuerNotedMs = 365 * day;
const issuerWrongMs = 30 * day;

/** `now`: by this machine's clock. */
export async function readStatus(client: FleetClient, endingSeconds: number, now: number): Promise<FleetStatus> {
  try {
    const [authority, { items }, desks] = await Promise.all([
      client.get(`/v1/status?endingWithin=${endingSeconds}`, AuthorityStatus, answerMs),
      client.get('/v1/gates', Gates, answerMs),
      client.get('/v1/desks', Desks, answerMs),
    ]);
    const found = await withGates(client, authority, items, desks.items);
    return { ...found, notes: [...clockNoted(authority, now), ...found.notes] };
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code === 'usage') throw error;
    const at = `the authority at ${client.credential.authority}`;
    const earlier = `${at} is of an earlier version, which can not tell how it is`;
    const wrong = [error.code === 'route_unknown' ? earlier : `${at} does not answer: ${error.message}`];
    return { ok: false, wrong, notes: [], authority: null, standbys: [], gates: [], desks: [] };
  }
}

/** Each process of a gate is asked by its number: any of them may take a connection to the gate. */
function holdersOf(views: readonly GateView[]): Gate[] {
  const holding = views.flatMap(({ gate, lease, url, workers = 1 }) =>
    lease === 'held' && url !== null ? [{ gate, url, workers }] : [],
  );
  return [...new Map(holding.map((one) => [one.url, one])).values()].flatMap(eachWorker);
}

async function withGates(
  client: FleetClient,
  authority: AuthorityStatus,
  views: GateView[],
  desks: DeskView[],
): Promise<FleetStatus> {
  const each = holdersOf(views);
  const asked = await askGates(each, ({ url }) => client.getFromGate(url, '/v1/status', GateStatus, answerMs));
  const others = await othersOf(client, authority);
  const own = new Map(asked.answers.map(({ value }) => [`${value.gate} ${value.instance}`, value]));
  const gates = views.map((view) => ({ ...view, own: own.get(`${view.gate} ${view.instance}`) ?? null }));
  const silent = asked.failures.map(
    ({ gate, url, error }) => `${gate} holds a lease, but ${url} can not be asked: ${error.message}`,
  );
  const wrong = [
    ...wrongWithAuthority(authority),
    ...others.standbys.flatMap(({ authority: at, against }) =>
      against === null ? [] : [`the authority at ${at} stands by and will not lead: ${against}`],
    ),
    ...clocksWrong(others.standbys, authority.time),
    ...wrongWithGates(gates),
    ...silent,
    ...wrongWithDesks(desks, authority),
  ];
  const notes = [...notesOf(authority, gates), ...others.silent];
  return { ok: wrong.length === 0, wrong, notes, authority, standbys: others.standbys, gates, desks };
}

/** Of several authorities each is asked: the one that leads knows nothing of the others. */
async function othersOf(client: FleetClient, { addresses }: AuthorityStatus) {
  const standbys: StandbyFound[] = [];
  const silent: string[] = [];
  const all = addresses?.authority ?? [];
  const answers = await Promise.allSettled(all.map((at) => client.standbyAt(at, answerMs)));
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'fulfilled') standbys.push(...(answer.value ? [answer.value] : []));
    else if (!(answer.reason instanceof PortcullisError)) throw answer.reason;
    else silent.push(`the authority at ${all[index]} can not be asked: ${answer.reason.message}`);
  }
  return { standbys, silent };
}

/** Gates get a lease only of who has a clock as theirs (`clock_too_far_off`). */
const clocksApartMs = 300_000;

function apartWords(one: string, ahead: number, other: string): string[] {
  if (Math.abs(ahead) <= clocksApartMs) return [];
  const way = ahead > 0 ? 'ahead of' : 'behind';
  return [
    `the clock of ${one} is ${aheadWords(Math.abs(ahead))} ${way} that of ${other}: a gate whose clock is more than ${aheadWords(clocksApartMs)} off that of who leads gets no lease`,
  ];
}

/** Nothing would decide once it led. */
function clocksWrong(standbys: readonly StandbyFound[], time: string): string[] {
  return standbys.flatMap(({ authority, time: its }) =>
    its === null
      ? []
      : apartWords(`the authority at ${authority}, which stands by,`, Date.parse(its) - Date.parse(time), 'who leads'),
  );
}

/** One of both is wrong, and which is not known here. */
const clockNoted = ({ time }: AuthorityStatus, now: number) =>
  apartWords('the authority', Date.parse(time) - now, 'this machine');

interface Disk {
  freeBytes: number;
  totalBytes: number;
}

const isShort = ({ freeBytes, totalBytes }: Disk) =>
  freeBytes < Math.min(freeBytesLeast, totalBytes / 2) || freeBytes < totalBytes * freeShareLeast;

/** In whole days, hours or minutes. */
export function aheadWords(milliseconds: number): string | null {
  const unit = [day, day / 24].find((one) => milliseconds >= 2 * one) ?? 60_000;
  return durationWords(Math.round(milliseconds / unit) * unit);
}

export const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** It takes about a second. */
const shippedWithinMs = 30_000;

/** No certificate outlives its issuer, and everybody has to learn of the next one before. */
function issuersEnding(issuers: AuthorityStatus['issuers'], time: string, withinMs: number): string[] {
  const ending = (issuers ?? []).filter(({ notAfter }) => Date.parse(notAfter) - Date.parse(time) < withinMs);
  return ending.map(({ name, notAfter }) => `the issuer "${name}" ends ${notAfter}, and with it all that it signed`);
}

/** Who loads a list that ended refuses every certificate. */
function listsEnded({ lists = [], time }: AuthorityStatus): string[] {
  const ended = lists.flatMap(({ issuer, list }) => (list && list.nextUpdate <= time ? [{ issuer, ...list }] : []));
  return ended.map(
    ({ issuer, nextUpdate }) =>
      `the list of revoked certificates of ${issuer} ended ${nextUpdate}, and there is no later one: verifiers that load it refuse everybody`,
  );
}

/** Each is made anew at half of its life. */
function listsNoted({ lists = [], time }: AuthorityStatus): string[] {
  return lists.flatMap(({ issuer, list }) => {
    if (!list)
      return [
        `${issuer} has no list of revoked certificates: a new one has its first in a moment, and for one whose key is elsewhere "portcullis revocation add" brings it`,
      ];
    const [from, until, now] = [list.thisUpdate, list.nextUpdate, time].map((one) => Date.parse(one)) as [
      number,
      number,
      number,
    ];
    const isLate = now < until && until - now < (until - from) / 4;
    return isLate
      ? [`the list of revoked certificates of ${issuer} ends ${list.nextUpdate}, and no later one was made`]
      : [];
  });
}

function wrongWithAuthority(authority: AuthorityStatus): string[] {
  const { time, disk, journal, issuers, ending, shipping, lost = [] } = authority;
  const { broken, verified } = journal;
  return [
    ...(isShort(disk)
      ? [`the authority's disk has ${gibibytes(disk.freeBytes)} of ${gibibytes(disk.totalBytes)} left`]
      : []),
    ...(broken ? [`the journal does not hold at entry ${broken.position}: ${broken.why}`] : []),
    ...(verified && !verified.whole
      ? [`the journal was found damaged at ${verified.at}, after ${counted(verified.entries, 'entry', 'entries')}`]
      : []),
    ...(shipping?.failingSince
      ? [
          `what the authority does is not shipped since ${shipping.failingSince}, ${shipping.waiting} transactions wait: ${shipping.why}`,
        ]
      : shipping?.waitingSince && Date.parse(time) - Date.parse(shipping.waitingSince) > shippedWithinMs
        ? [
            `what the authority does is shipped slowly: since ${shipping.waitingSince} something waits, ${shipping.waiting} transactions now`,
          ]
        : []),
    ...issuersEnding(issuers, time, issuerWrongMs),
    ...listsEnded(authority),
    ...ending.others.map(({ subject, kind, notAfter }) => `the certificate of ${kind} ${subject} ends ${notAfter}`),
    ...lost.map(
      ({ subject, kind }) =>
        `${kind} ${subject} has a certificate of a root that was retired, and can not come back by it: "${kind} join --replace", or revoke it`,
    ),
  ];
}

/** An authority that has just started has heard of none yet. */
function wrongWithDesks(desks: DeskView[], { startedAt, time }: AuthorityStatus): string[] {
  const runsMs = Date.parse(time) - Date.parse(startedAt);
  const behind = desks.filter(({ report }) => (report?.lookUps?.ageMs ?? 0) > deskSilentMs);
  return [
    ...behind.map(({ desk }) => `${desk} is told nothing of what is public: its log says why`),
    ...desks.flatMap(({ desk, report }) => wrongForVerifiers(desk, report?.verifiers, time)),
    ...silentDesks(desks, runsMs),
  ];
}

type Verifiers = NonNullable<DeskView['report']>['verifiers'];

function wrongForVerifiers(desk: string, verifiers: Verifiers, time: string): string[] {
  const { lists = null, standings = null } = verifiers ?? {};
  const ended = lists?.nextUpdate != null && lists.nextUpdate <= time;
  return [
    ...(ended ? [`${desk} gives a list of revoked certificates that ended ${lists.nextUpdate}: its log says why`] : []),
    ...((standings?.ageMs ?? 0) > deskSilentMs
      ? [`${desk} is told nothing of certificates: it answers about them by what was before, and then not at all`]
      : []),
  ];
}

function silentDesks(desks: DeskView[], runsMs: number): string[] {
  return desks
    .filter(({ lastHeardMs }) => (lastHeardMs ?? runsMs) > deskSilentMs)
    .map(({ desk }) => `${desk} does not report: is it running? ("subject retire ${desk}" if it is gone for good)`);
}

function wrongWithGates(gates: GateFound[]): string[] {
  return [...Map.groupBy(gates, ({ gate }) => gate)].flatMap(([gate, instances]) => {
    const holding = instances.filter(({ lease }) => lease === 'held');
    if (holding.length === 0) {
      return [`${gate} holds no lease: is it running? ("subject retire ${gate}" if it is gone for good)`];
    }
    return holding.flatMap(({ policyRefused, clockAheadMs, own }) => [
      ...(clockAheadMs > 0
        ? [
            `${gate} was told a time that is ${aheadWords(clockAheadMs)} ahead of its clock and the authority's, and refuses certificates that end before that: if the clocks are right now, "gate accept-clock"`,
          ]
        : []),
      ...(policyRefused
        ? [`${gate} refuses the files of its policy as they are now: "config check" on its directory says why`]
        : []),
      ...(own && isShort(own.disk)
        ? [`the disk of ${gate} has ${gibibytes(own.disk.freeBytes)} of ${gibibytes(own.disk.totalBytes)} left`]
        : []),
      ...(own?.storesNothingSince
        ? [
            `${gate} stores no reading since ${own.storesNothingSince}, and devices keep theirs: ${own.storesNothingBecause ?? 'its log says why'}`,
          ]
        : []),
      ...spoolWrong(gate, own?.spool),
      ...(own && own.pruneWaiting > 0
        ? [
            `${gate} waits for an operator before it removes ${counted(own.pruneWaiting, 'reading')}: "gate accept-prune"`,
          ]
        : []),
    ]);
  });
}

/** What somebody has to look at where readings wait on a gate's disk. */
export function spoolWrong(gate: string, spool: SpoolStatus | undefined): string[] {
  if (!spool) return [];
  const waits = `${counted(spool.readings, 'acknowledged reading')} since ${spool.oldest ?? 'a moment'} in the spool of ${gate}, ${percent(spool.bytes / spool.bytesMax)} full`;
  const why = spool.why ?? 'the log of the gate says why';
  return [
    ...(spool.state === 'stuck' ? [`the sink does not take ${waits}: ${why}`] : []),
    ...(spool.state === 'away' ? [`the sink is away: ${waits}; ${why}`] : []),
    ...(spool.damaged > 0
      ? [
          `${counted(spool.damaged, 'file')} of the spool of ${gate} ${spool.damaged === 1 ? 'was' : 'were'} damaged, and readings in it lost: gate/spool/damaged`,
        ]
      : []),
  ];
}

const percent = (share: number) => `${Math.min(100, Math.round(100 * share))} %`;

/** Who comes in is bounded: whoever holds most gives way, and that is somebody. */
const crowdedNotes = ({ listeners = [] }: AuthorityStatus): string[] =>
  listeners
    .filter(({ displaced, turnedAway }) => displaced + turnedAway > 0)
    .map(
      ({ listener, displaced, turnedAway }) =>
        `the authority's listener "${listener}" was full: ${displaced} made room and ${turnedAway} were turned away since it started; the log has addresses`,
    );

function notesOf(authority: AuthorityStatus, gates: GateFound[]): string[] {
  const { version, time, journal, issuers, ending } = authority;
  const { devices, more, within } = ending;
  const days = Math.round(within / 86_400);
  return [
    ...(devices > 0
      ? [
          `${more ? 'at least ' : ''}${counted(devices, 'device has', 'devices have')} a certificate that ends within ${counted(days, 'day')}: certificate list --ending ${days}d`,
        ]
      : []),
    ...(issuersEnding(issuers, time, issuerWrongMs).length > 0 ? [] : issuersEnding(issuers, time, issuerNotedMs)),
    ...listsNoted(authority),
    ...crowdedNotes(authority),
    ...(journal.verified ? [] : ['nobody looked at all of the journal yet: journal verify']),
    ...gates.flatMap(({ gate, own, overruns, unproven }) => [
      ...(overruns > 0 ? [`${gate} had ${counted(overruns, 'overrun')} since it started`] : []),
      ...(unproven > 0 ? [`${gate} has ${counted(unproven, 'batch that stays', 'batches that stay')} unproven`] : []),
      ...(own && own.version !== version ? [`${gate} is version ${own.version}, the authority ${version}`] : []),
    ]),
  ];
}
