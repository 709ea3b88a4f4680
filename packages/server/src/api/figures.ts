import type { RevocationList } from '../revocation/revocation.ts';
import type { Store } from '../storage/storage.ts';
import { type Figure, Figures } from '../telemetry/figures.ts';
import type { DiskSpace } from '../telemetry/telemetry.ts';
import type { OwnCertificate } from './own-certificate.ts';
import type { Requests } from './requests.ts';
import type { Rooms } from './route.ts';

type Parts = Pick<
  Rooms,
  'desks' | 'doors' | 'feed' | 'issuance' | 'journal' | 'keyCredentials' | 'lists' | 'signals' | 'startedAt'
> & {
  diskSpace(): Promise<DiskSpace>;
  requests: Requests;
  store: Pick<Store, 'leads'>;
  own: Pick<OwnCertificate, 'notAfter'>;
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
  tellPromises(figures, parts);
  countConnections(figures, parts);
  tellLists(figures, parts);
  tellDesks(figures, parts);
  return figures;
}

/** What `SECURITY.md` promises: who leads, how long a cut takes and whether one is not proven, and by when its own certificate is renewed. */
function tellPromises(figures: Figures, { feed, own, startedAt, store }: Parts): void {
  const leads = '1 while this authority may decide: of several on one database at most one says so';
  figures.gauge('portcullis_authority_leads', leads, () => Number(store.leads()));
  const since = 'Since when this process leads, in seconds since 1970';
  figures.gauge('portcullis_authority_leads_since_seconds', since, () => startedAt / 1_000);
  const cut = 'From when a change was committed to its receipt: it is in force at every gate';
  figures.histogram('portcullis_authority_cut_seconds', cut, () => feed.cuts().times);
  const waiting = 'Changes that have no receipt yet';
  figures.gauge('portcullis_authority_receipts_waiting', waiting, () => feed.cuts().waiting.count);
  const oldest = 'How long the first of the changes without a receipt waits; 0 while none does';
  const oldestName = 'portcullis_authority_receipts_waiting_oldest_seconds';
  figures.gauge(oldestName, oldest, () => feed.cuts().waiting.oldestMs / 1_000);
  const end = "When the authority's own certificate ends, in seconds since 1970";
  figures.gauge('portcullis_authority_certificate_not_after_seconds', end, () => own.notAfter / 1_000);
}

/** An age is the time now less these. */
function tellLists(figures: Figures, { lists: made }: Parts): void {
  const label = 'issuer';
  const each = (of: (list: RevocationList) => number) => (): Figure[] =>
    made.current().map((list) => [list.issuer, of(list)]);
  const name = 'portcullis_authority_list';
  const from = {
    name: `${name}_this_update_seconds`,
    help: 'When the newest list of each issuer was made, in seconds since 1970',
    label,
  };
  figures.labelled(
    'gauge',
    from,
    each(({ thisUpdate }) => thisUpdate / 1_000),
  );
  const ends = {
    name: `${name}_next_update_seconds`,
    help: 'When the newest list of each issuer ends, in seconds since 1970',
    label,
  };
  figures.labelled(
    'gauge',
    ends,
    each(({ nextUpdate }) => nextUpdate / 1_000),
  );
  const entries = { name: `${name}_entries`, help: 'Revoked and suspended certificates on each list', label };
  figures.labelled(
    'gauge',
    entries,
    each((list) => list.entries),
  );
}

/** What desks said last: they have no figures of their own. */
function tellDesks(figures: Figures, { desks }: Parts): void {
  const verifiers = () => desks.last.flatMap(([desk, { verifiers }]) => (verifiers ? [{ desk, ...verifiers }] : []));
  const answers = {
    name: 'portcullis_desk_ocsp_answers_total',
    help: 'What each desk answered by OCSP, by status, as it said last',
    labels: ['desk', 'status'],
  };
  figures.byLabels('counter', answers, () =>
    verifiers().flatMap(({ desk, answers }) =>
      Object.entries(answers).map(([status, count]) => [{ desk, status }, count] as const),
    ),
  );
  const age = 'How long ago each desk was told that it knows how all certificates stand, as it said last';
  figures.labelled('gauge', { name: 'portcullis_desk_standings_age_seconds', help: age, label: 'desk' }, () =>
    verifiers().flatMap(({ desk, standings }) => (standings ? [[desk, standings.ageMs / 1_000]] : [])),
  );
  const ends = 'When the first of the lists ends that each desk gives, in seconds since 1970';
  figures.labelled('gauge', { name: 'portcullis_desk_lists_next_update_seconds', help: ends, label: 'desk' }, () =>
    verifiers().flatMap(({ desk, lists }) => (lists?.nextUpdate ? [[desk, Date.parse(lists.nextUpdate) / 1_000]] : [])),
  );
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
  const unfinished = {
    name: 'portcullis_authority_unfinished_handshake_bytes_total',
    help: 'Bytes that went out in TLS handshakes that were not finished',
    label: 'listener',
  };
  figures.labelled('counter', unfinished, () => doors.list().map((one) => [one.listener, one.unfinishedBytes]));
}
