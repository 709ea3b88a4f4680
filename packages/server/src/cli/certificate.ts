import { CertificateView, readFingerprint, type StandingsRequest } from '@portcullis/contract';
import type { Command } from 'commander';
import { addChangeOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, sendChange, withFleet } from './fleet-client.ts';
import { columns, type Output } from './output.ts';

const actions: Record<StandingsRequest['action'], string> = {
  suspend: 'cut it off, reversibly',
  resume: 'take a suspension back',
  revoke: 'cut it off, for ever',
};

export function certificateCommands(program: Command, output: Output): void {
  const certificate = program.command('certificate').description('certificates and their standing');
  certificate
    .command('list')
    .option('--subject <subject>', 'of this subject alone')
    .description('list certificates')
    .action(async (options: FleetOptions & { subject?: string }) => {
      const query = options.subject === undefined ? '' : `?subject=${encodeURIComponent(options.subject)}`;
      await withFleet(options, async (client) => {
        for await (const one of client.pages(`/v1/certificates${query}`, CertificateView))
          output.line(one, wordsOf(one));
      });
    });
  certificate
    .command('show')
    .argument('<subject|fingerprint>')
    .description('show the certificates of a subject, or one')
    .action((name: string, options: FleetOptions) => showCertificates(name, options, output));
  for (const [action, description] of Object.entries(actions)) {
    addChangeOptions(certificate.command(action))
      .argument('<subject|fingerprint>')
      .description(description)
      .action(async (name: string, options: ChangeOptions) => {
        const fingerprint = readFingerprint(name);
        const body = { action, ...(fingerprint ? { fingerprint } : { subject: name }) };
        await sendChange(options, { path: '/v1/standings', body, done: `${action} ${name}` }, output);
      });
  }
}

async function showCertificates(name: string, options: FleetOptions, output: Output): Promise<void> {
  const fingerprint = readFingerprint(name);
  await withFleet(options, async (client) => {
    if (fingerprint) {
      const one = await client.get(`/v1/certificates/${fingerprint}`, CertificateView);
      return output.line(one, wordsOf(one));
    }
    for await (const one of client.pages(`/v1/certificates?subject=${encodeURIComponent(name)}`, CertificateView)) {
      output.line(one, wordsOf(one));
    }
  });
}

function wordsOf({ fingerprint, subject, kind, purpose, standing, notAfter }: CertificateView): string {
  return columns([fingerprint, 64], [subject, 20], [kind, 10], [purpose, 6], [standing, 10], [`until ${notAfter}`, 0]);
}
