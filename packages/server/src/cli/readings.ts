import { PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { realSystem } from '../telemetry/system.ts';
import { withFleet } from './fleet-client.ts';
import { FleetReadings } from './fleet-readings.ts';
import { listMissing } from './missing-readings.ts';
import type { Output } from './output.ts';
import { listRefused } from './refused-readings.ts';
import { type ReadingOptions, wantedBy } from './wanted-readings.ts';
import { realPauses, untilInterrupted } from './watch-gates.ts';
import { watchReadings } from './watch-readings.ts';

export function readingsCommand(program: Command, output: Output): void {
  program
    .command('readings')
    .argument('[stream]')
    .option('--subject <subject>', 'of this subject alone')
    .option('--since <time>', 'received from then on: 2026-11-27T08:00:00Z, 2026-11-27, or 90s, 15m, 1h, 7d ago')
    .option('--until <time>', 'received before then')
    .option('--last <count>', 'the newest so many')
    .option('--limit <count>', 'end after so many')
    .option('--follow', 'go on with what comes, until interrupted')
    .option('--csv', 'as CSV')
    .option(
      '--refused',
      'instead, what was acknowledged, over MQTT or from a spool, and never stored, with why; of STREAM and SUBJECT where they are named',
    )
    .option(
      '--missing',
      'instead, the numbers of devices that count their readings which never came, since when; of STREAM and SUBJECT where they are named',
    )
    .option('--partial', 'exit status 0 although a gate is missing')
    .description('what all gates have stored, by the time of receipt, oldest first')
    .action(async (stream: string | undefined, options: ReadingOptions) => {
      if (options.refused) return withFleet(options, (client) => listRefused(client, output, stream, options));
      if (options.missing) return withFleet(options, (client) => listMissing(client, output, stream, options));
      const wanted = wantedBy(stream, options, realSystem.now());
      if (options.csv && output.json) throw new PortcullisError('usage', '--csv and --json are two forms; name one');
      await withFleet(options, async (client) => {
        const reading = new FleetReadings(client, output, wanted, options);
        await (options.follow ? watchReadings(reading, realPauses, untilInterrupted()) : reading.all());
      });
    });
}
