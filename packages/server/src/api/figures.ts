import { Figures } from '../telemetry/figures.ts';
import type { DiskSpace } from '../telemetry/telemetry.ts';
import type { Requests } from './requests.ts';
import type { Rooms } from './route.ts';

type Parts = Pick<Rooms, 'doors' | 'feed' | 'issuance' | 'journal' | 'keyCredentials' | 'signals'> & {
  diskSpace(): Promise<DiskSpace>;
  requests: Requests;
};

/** What the authority tells of itself to Prometheus. */
export function authorityFigures(parts: Parts): Figures {
  const { feed, issuance, journal, keyCredentials, signals, diskSpace, requests } = parts;
  const figures = new Figures();
  const revision = 'The fleet-wide number of the last change';
  figures.gauge('portcullis_authority_revision', revision, () => journal.head().revision);
  const position = 'The position of the last entry of the journal';
  figures.gauge('portcullis_authority_journal_position', position, () => journal.head().position);
  const leases = { name: 'portcullis_authority_leases', help: 'Instances of gates by their lease', label: 'lease' };
  figures.labelled('gauge', leases, () => Object.entries(feed.leases()));
  const answered = {
    name: 'portcullis_authority_requests_total',
    help: 'Requests answered, by status',
    label: 'status',
  };
  figures.labelled('counter', answered, () => requests.byStatus());
  const said = {
    name: 'portcullis_authority_signals_total',
    help: 'Alerts that sources of signals sent, by what became of them',
    label: 'outcome',
  };
  figures.labelled('counter', said, () => signals.outcomes());
  const contexts = {
    name: 'portcullis_authority_key_contexts_total',
    help: 'Contexts of key credentials that gates asked for, by what became of it',
    label: 'outcome',
  };
  figures.labelled('counter', contexts, () => keyCredentials.outcomes());
  const free = 'What is left of the disk that the store is on';
  figures.gauge('portcullis_authority_disk_free_bytes', free, async () => (await diskSpace()).freeBytes);
  const issuerEnd = 'portcullis_authority_issuer_not_after_seconds';
  const ends = { name: issuerEnd, help: 'When each issuer ends, in seconds since 1970', label: 'issuer' };
  figures.labelled('gauge', ends, () => issuance.ends().map(({ name, notAfter }) => [name, notAfter / 1000]));
  const refused = {
    name: 'portcullis_authority_policy_refusals_total',
    help: 'Requests for a certificate that the policy of their kind did not allow, by kind',
    label: 'kind',
  };
  figures.labelled('counter', refused, () => issuance.policyRefusals());
  countConnections(figures, parts);
  return figures;
}

function countConnections(figures: Figures, { doors }: Parts): void {
  const open = { name: 'portcullis_authority_connections', help: 'Open connections, by listener', label: 'listener' };
  figures.labelled('gauge', open, () => doors.list().map(({ listener, connections }) => [listener, connections]));
  const displaced = {
    name: 'portcullis_authority_connections_displaced_total',
    help: 'Connections that made room at a listener that was full',
    label: 'listener',
  };
  figures.labelled('counter', displaced, () => doors.list().map((one) => [one.listener, one.displaced]));
  const turnedAway = {
    name: 'portcullis_authority_connections_turned_away_total',
    help: 'Connections for which a listener that was full had no room',
    label: 'listener',
  };
  figures.labelled('counter', turnedAway, () => doors.list().map((one) => [one.listener, one.turnedAway]));
}
