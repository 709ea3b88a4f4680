import { AttributeTypeView, ExportRow, PortcullisError, plainJson } from '@portcullis/contract';
import type { Command } from 'commander';
import { csvField } from './csv.ts';
import { type FleetClient, type FleetOptions, queryOf, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';

interface ExportOptions extends FleetOptions {
  format: string;
  kind?: string;
}

export function exportCommand(program: Command, output: Output): void {
  program
    .command('export')
    .option('--format <csv|ndjson>', 'what is printed', 'ndjson')
    .option('--kind <kind>', 'subjects of this kind; left out: devices and gateways, which an import makes')
    .description('print subjects with their attributes and certificates, as "portcullis import" takes them')
    .action((options: ExportOptions) => giveOut(options, output));
}

async function giveOut({ format, kind, ...options }: ExportOptions, output: Output): Promise<void> {
  if (format !== 'csv' && format !== 'ndjson') {
    throw new PortcullisError('usage', `--format ${format} is none; it must be csv or ndjson`);
  }
  await withFleet(options, async (client) => {
    const kinds = kind === undefined ? ['device', 'gateway'] : [kind];
    const csv = format === 'csv' ? new CsvSheet(await namesOf(client)) : undefined;
    if (csv) await output.text(csv.header);
    await output.texts(rowsOf(client, kinds), (row) => csv?.lineOf(row) ?? `${plainJson(row)}\n`);
  });
}

async function* rowsOf(client: FleetClient, kinds: readonly string[]): AsyncGenerator<[ExportRow]> {
  for (const kind of kinds)
    for await (const row of client.pages(`/v1/exports${queryOf({ kind })}`, ExportRow)) yield [row];
}

async function namesOf(client: FleetClient): Promise<AttributeTypeView[]> {
  const types: AttributeTypeView[] = [];
  for await (const type of client.pages('/v1/attribute-types', AttributeTypeView)) types.push(type);
  return types;
}

/** A column for each attribute that the fleet knows, with its type, so that another fleet reads it as this one has it. */
class CsvSheet {
  readonly header: string;
  readonly #names: string[];

  constructor(types: readonly AttributeTypeView[]) {
    this.#names = types.map(({ name }) => name);
    const attributes = types.map(({ name, type }) => `${name}:${type}`);
    this.header = `${['subject', 'kind', 'public', 'certificate', 'standing', ...attributes].join(',')}\n`;
  }

  lineOf({ subject, kind, attributes = {}, public: isPublic = [], certificates = [] }: ExportRow): string {
    const values = attributes as Record<string, unknown>;
    const fields = [
      subject,
      kind ?? '',
      isPublic.join(' '),
      certificates.map(({ certificate }) => certificate).join(''),
      certificates.map(({ standing }) => standing).join(' '),
      ...this.#names.map((name) => (Object.hasOwn(values, name) ? String(values[name]) : '')),
    ];
    return `${fields.map(csvField).join(',')}\n`;
  }
}
