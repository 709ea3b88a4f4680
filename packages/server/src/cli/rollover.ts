import { readFileSync } from 'node:fs';
import { PortcullisError, plain, RolloverStarted, RolloversView, RolloverView, type Those } from '@portcullis/contract';
import { Argument, type Command } from 'commander';
import { each } from './change-options.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';

interface StepOptions extends FleetOptions {
  force?: true;
  without?: string[];
  reason?: string;
}

interface StartOptions extends FleetOptions {
  beside?: true;
  keys?: string;
  elsewhere?: string;
  reason?: string;
}

const without = ['--without <subject>', 'also where this one is lost, of whatever kind (repeatable)'] as const;
const why = ['--reason <text>', 'why, for the journal'] as const;

export function rolloverCommands(program: Command, output: Output): void {
  const rollover = program
    .command('rollover')
    .description('another issuer, or another root, in the place of one that ends or is not to be used any more');
  rollover
    .command('start')
    .addArgument(new Argument('<what>', 'what is to be followed').choices(['root', 'device', 'infrastructure']))
    .option(
      '--beside',
      'an issuer for devices that signs beside those that there are, whose lists grow long; none goes',
    )
    .option('--keys <algorithm>', 'what the new keys are of (as those before)')
    .option('--elsewhere <file>', 'the root is on another machine: write what it is asked for')
    .option(...why)
    .description(
      'make the next root, or the next issuer for devices or for the rest, and tell everybody; it signs nothing yet',
    )
    .action((what: string, options: StartOptions) => start(what, options, output));
  rollover
    .command('take')
    .argument('<answer>')
    .option(...why)
    .description('take what "portcullis root sign" answered on the other machine')
    .action((file: string, options: StepOptions) => take(file, options, output));
  rollover
    .command('status')
    .description('how far it is, and who would be lost by going on; names all with --json')
    .action((options: FleetOptions) => status(options, output));
  rollover
    .command('advance')
    .option('--force', 'also where somebody does not hold the bundle yet, but for gates and desks')
    .option(...without, each)
    .option(...why)
    .description('go on: to trusted once everybody holds the bundle, then to issuing')
    .action((options: StepOptions) => step('advance', given(options), options, output));
  rollover
    .command('retire')
    .option('--force', 'also where somebody is lost by it, but for gates and desks; names them')
    .option(...without, each)
    .option(...why)
    .description('end what was followed, once nobody is lost by that')
    .action((options: StepOptions) => step('retirement', given(options), options, output));
  rollover
    .command('abandon')
    .option(...why)
    .description('take back what was prepared; once it issues, there is no way back')
    .action((options: StepOptions) => step('abandonment', given(options), options, output));
}

const given = ({ force, without: named, reason }: StepOptions) => ({
  ...(force && { force }),
  ...(named && { without: named }),
  ...(reason && { reason }),
});

async function start(
  what: string,
  { beside, elsewhere: file, keys, ...options }: StartOptions,
  output: Output,
): Promise<void> {
  await withFleet(options, async (client) => {
    const told = { ...(beside && { beside }), ...(keys && { keys }), ...(file !== undefined && { elsewhere: true }) };
    const body = { what, ...told, ...given(options) };
    const elsewhere = file === undefined ? undefined : await import('./root-elsewhere.ts');
    if (file !== undefined) elsewhere?.requireNew(file);
    const started = await client.post('/v1/rollovers', body, RolloverStarted);
    const { rollover } = started;
    const next =
      (file !== undefined && (await elsewhere?.carry(file, started.request))) || 'next: "portcullis rollover advance"';
    const offline = what === 'root' && file === undefined ? [nextRootWords(rollover)] : [];
    output.result(started, [...linesOf(rollover), ...offline, next].join('\n'));
  });
}

/** Whichever came first: what is no issuer is the root, and its key has the end of its name. */
export function nextRootWords({ comes }: Pick<RolloverView, 'comes'>): string {
  const name = comes.find((one) => !one.endsWith(' issuer'));
  const key = name?.split(' ').at(-1) ?? 'root';
  return plain(
    `the key of the next root is "${key}", authority/keys/${key}.pem where no token has it: once "portcullis status" names its list, back it up and take it offline`,
  );
}

async function take(file: string, options: StepOptions, output: Output): Promise<void> {
  const answer = textOf(file);
  const { rootOf, rootWords } = await import('./root-elsewhere.ts');
  const shown = { also: () => ({ root: rootOf(answer) }), words: () => rootWords(answer) };
  await step('answer', { answer, ...given(options) }, options, output, shown);
}

/** What is shown beside the rollover, for programs and for people. */
interface Shown {
  also(): object;
  words(): string[];
}
const nothingMore: Shown = { also: () => ({}), words: () => [] };

async function step(
  path: string,
  body: object,
  options: FleetOptions,
  output: Output,
  { also, words }: Shown = nothingMore,
): Promise<void> {
  await withFleet(options, async (client) => {
    const before = (await client.get('/v1/rollovers', RolloversView)).items[0];
    const after = await client.post(`/v1/rollovers/${path}`, body, RolloverView);
    const lost = ('force' in body || 'without' in body) && before ? lostBy(before) : [];
    output.result(
      { ...after, ...also(), ...(lost.length > 0 && { lost }) },
      [...linesOf(after), ...lost.map(plain), ...words()].join('\n'),
    );
  });
}

function lostBy({ phase, lacking, below, tokens }: RolloverView): string[] {
  const named = phase === 'issuing' ? [lacking, below, tokens] : [lacking];
  const subjects = new Set(named.flatMap((those) => those.named.map(({ subject }) => subject)));
  return [...subjects].map((subject) => `went on without ${subject}`);
}

async function status(options: FleetOptions, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const view = await client.get('/v1/rollovers', RolloversView);
    const lines = view.items.flatMap((one) => [...linesOf(one), '']);
    output.page(view, [
      `the bundle is at version ${view.bundle}`,
      ...view.issuers.map(({ name, role, state, live }) =>
        plain(`${name}, for ${role}: ${state}, ${live} certificates that live`),
      ),
      '',
      ...(lines.length > 0 ? lines : ['there was no rollover']),
    ]);
  });
}

function linesOf({
  number,
  what,
  phase,
  leaves,
  comes,
  byItself,
  bundle,
  changedAt,
  ...counts
}: RolloverView): string[] {
  const { lacking, below, tokens } = counts;
  const waits = byItself && (phase === 'prepared' || phase === 'trusted');
  return [
    `rollover ${number} of ${what === 'root' ? 'the root' : `the issuer for ${what}`}: ${phase} since ${changedAt}`,
    `  goes   ${leaves.join(', ') || 'nothing'}`,
    `  comes  ${comes.join(', ')}`,
    ...(waits ? ['  by itself: it signs once those before it are full'] : []),
    ...linesOfThose(`without version ${bundle} of the bundle`, lacking),
    ...linesOfThose(
      phase === 'retired' ? 'lost, until they join again or are revoked' : 'with a certificate of what goes',
      below,
    ),
    ...linesOfThose('with an unused token from before it', tokens),
  ].map(plain);
}

const shownMax = 20;

function linesOfThose(words: string, { count, named }: Those): string[] {
  if (count === 0) return [];
  const shown = named.slice(0, shownMax).map(({ subject, kind }) => `    ${kind} ${subject}`);
  const more = count > shown.length ? [`    and ${count - shown.length} more`] : [];
  return [`  ${count} ${words}:`, ...shown, ...more];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${file}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
