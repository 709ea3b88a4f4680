import { DeskReportAnswer, type DeskReportRequest } from '@portcullis/contract';
import { exchange, type Link, Spare, without } from '@portcullis/device';
import type { Credentials } from '../credentials/credentials.ts';
import type { Log } from '../telemetry/telemetry.ts';

interface Parts {
  authority: string;
  link(): Link;
  credentials: Pick<Credentials, 'bundle' | 'heard'>;
  figures(): Omit<DeskReportRequest, 'bundle'>;
  log: Log;
}

const answerMs = 2_000;

/** Tells the authority how the desk stands, and hears which trust bundle there is. */
export function reporter({ authority, link, credentials, figures, log }: Parts): () => Promise<void> {
  const spare = new Spare('bundle');
  const url = `${authority}/v1/desk/report`;
  return async () => {
    const { bundle } = credentials;
    const told = { ...figures(), ...(bundle !== undefined && { bundle }) };
    try {
      const answer = await spare.ask((lacking) =>
        exchange(link(), url, without(told, lacking), DeskReportAnswer, answerMs),
      );
      credentials.heard(answer.bundle);
    } catch (error) {
      // Whoever answers next may be of another version.
      spare.forget();
      log.debug({ err: error }, 'the authority was not told how the desk stands');
    }
  };
}
