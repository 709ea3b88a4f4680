import { ExcursionsView, type RuledSubject, RuleView } from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export function ruleCommands(program: Command, output: Output): void {
  const rule = program.command('rule').description('bounds of readings, and what follows when they are left');
  rule
    .command('list')
    .description('the rules in force')
    .action((options: FleetOptions) =>
      withFleet(options, async (client) => {
        await output.list(client.pages('/v1/rules', RuleView), ruleListing);
      }),
    );
  rule
    .command('show')
    .argument('<subject>')
    .description(
      'when readings about a subject were out of bounds, what is not known and why, and what a person decided',
    )
    .action((subject: string, options: FleetOptions) =>
      withFleet(options, async (client) => {
        const path = `/v1/subjects/${encodeURIComponent(subject)}/excursions`;
        const found = await client.get(path, ExcursionsView);
        const lines = found.rules.flatMap(linesOf);
        output.result(found, lines.length > 0 ? lines.join('\n') : `no rule says anything of "${subject}"`);
      }),
    );
  rule
    .command('check')
    .argument('<file>', 'as it lies, or will lie, in the folder "rules" beside fleet.yaml')
    .description('check a rule, without an authority')
    .action((file: string) => check(file, output));
}

async function check(file: string, output: Output): Promise<void> {
  const { loadRule } = await import('../config/config.ts');
  const { problemsOfExpressions } = await import('../rules/rules.ts');
  const { rule, streams } = loadRule(file, problemsOfExpressions);
  output.result({ valid: true, rule, streams }, `${file}: valid; "${rule}" looks at ${streams.join(', ')}`);
}

const ruleListing: Listing<RuleView> = {
  columns: [
    { title: 'RULE', priority: 1, value: ({ rule }) => rule },
    { title: 'REVISION', priority: 4, align: 'right', value: ({ revision }) => revision },
    { title: 'STREAMS', priority: 2, value: ({ streams }) => streams.join(' ') },
    { title: 'ABOUT', priority: 2, value: ({ about }) => about ?? 'the sender' },
    { title: 'OUTSIDE', priority: 1, least: 16, value: ({ outside }) => outside },
    { title: 'FOR', priority: 1, value: ({ forMs }) => durationWords(forMs) },
    { title: 'BUDGET', priority: 1, value: ({ budgetMs }) => durationWords(budgetMs) },
    { title: 'SILENT', priority: 1, value: ({ silentMs }) => durationWords(silentMs) },
  ],
  none: 'there is no rule; they are files in the folder "rules" beside fleet.yaml',
};

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** As it is written in a rule: the largest unit of which there is a whole number. */
export function durationWords(milliseconds: number | null): string | null {
  if (milliseconds === null) return null;
  const [unit, size] = units.find(([, one]) => milliseconds >= one && milliseconds % one === 0) ?? ['s', 1_000];
  return `${Math.round(milliseconds / size)}${unit}`;
}

const ending = (to: string | null) => (to === null ? 'and goes on' : `to ${to}`);

function linesOf({ rule, status, heard, excursions, gaps, breaches, decisions }: RuledSubject): string[] {
  return [
    `${rule}: ${status}${heard === null ? ', nothing was heard' : `, last heard ${heard}`}`,
    ...excursions.map(({ sender, from, to }) => `  outside   ${from} ${ending(to)}, by ${sender}`),
    ...gaps.map(({ from, to, cause, reason }) => `  not known ${from} ${ending(to)}: ${reason ?? cause}`),
    ...breaches.map(({ kind, at, limitMs, acknowledged, stands }) =>
      [
        `  breach    ${at}, ${kind === 'for' ? 'longer than' : 'all together longer than'} ${durationWords(limitMs)}`,
        ...(stands ? [] : ['later readings show that the limit was kept']),
        ...(acknowledged ? [`acknowledged by ${acknowledged.by}`] : []),
      ].join(', '),
    ),
    ...decisions.map(({ at, by, reason }) => `  decided   ${at} by ${by}: ${reason}`),
  ];
}
