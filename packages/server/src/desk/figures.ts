import type { DeskReportRequest } from '@portcullis/contract';
import { Figures } from '../telemetry/figures.ts';

type Told = Pick<DeskReportRequest, 'connections' | 'relayed' | 'turnedAway' | 'lookUps'>;

/** What a desk that waits for the authority tells. */
const nothing: Told = { connections: 0, relayed: 0, turnedAway: 0, lookUps: null };

/** The same that the authority is told. */
export function deskFigures(told: () => Told | undefined, certificateEnds: () => string | undefined): Figures {
  const figures = new Figures();
  const now = () => told() ?? nothing;
  figures.gauge('portcullis_desk_connections', 'Open connections', () => now().connections);
  const relayed = 'Requests that were relayed to the authority';
  figures.counter('portcullis_desk_relayed_total', relayed, () => now().relayed);
  const turnedAway = 'Connections and requests for which there was no room';
  figures.counter('portcullis_desk_turned_away_total', turnedAway, () => now().turnedAway);
  const revision = 'The revision that look-ups are answered by; 0 while there is none';
  figures.gauge('portcullis_desk_look_ups_revision', revision, () => now().lookUps?.revision ?? 0);
  const ends = "When the desk's own client certificate ends, in seconds since 1970; 0 while it is not read yet";
  const endsSeconds = () => Date.parse(certificateEnds() ?? new Date(0).toISOString()) / 1_000;
  figures.gauge('portcullis_desk_certificate_not_after_seconds', ends, endsSeconds);
  return figures;
}
