/** The bounds that a user can meet, each read where it is defined: a page of them that differs from the code fails the reference's test. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Limit, limit } from './limit.ts';
import { coapLimits } from './limits-coap.ts';
import { mqttLimits } from './limits-mqtt.ts';
import { ruleLimits } from './limits-rules.ts';
import { verdictLimits } from './limits-verdicts.ts';

const root = join(import.meta.dirname, '..');

const roomMade = 'one of the address that has most gives way, or the new one is turned away';

const limits: Record<string, Limit[]> = {
  Readings: [
    limit('one reading', 'contract/src/readings.ts#readingBytesMax', 'bytes', '413 `reading_too_large`'),
    limit('one request', 'contract/src/readings.ts#bodyBytesMax', 'bytes', '413 `reading_too_large`'),
    limit('lines of one request', 'contract/src/readings.ts#linesMax', '', '413 `reading_too_large`'),
    limit(
      'pieces of one request, chunks or records of TLS',
      'server/src/bounds/growing-body.ts#piecesMax',
      '',
      '413 `reading_too_large`, at the API `request_too_large`',
    ),
    limit('how deep JSON may be nested', 'contract/src/json-text.ts#jsonDepthMax', '', '400 `reading_malformed`'),
    limit(
      'the head of a request at a gate',
      'server/src/gate/listeners/http/wire/head-reader.ts#headBytesMax',
      'bytes',
      '431',
    ),
    limit('headers in it', 'server/src/gate/listeners/http/wire/head-reader.ts#fieldsMax', '', '431'),
    limit(
      'what stands before a chunk of a body at a gate',
      'server/src/gate/listeners/http/wire/chunk-reader.ts#lineBytesMax',
      'bytes',
      '400 `request_malformed`',
    ),
    limit(
      'trailers behind such a body',
      'server/src/gate/listeners/http/wire/chunk-reader.ts#trailerBytesMax',
      'bytes',
      '400 `request_malformed`',
    ),
    limit(
      'readings of one commit',
      'server/src/gate/recording/recording.ts#groupReadingsMax',
      '',
      'the next commit takes the rest',
    ),
    limit(
      'subjects of which a gate remembers when it heard them',
      'server/src/gate/recording/sightings.ts#subjectsMax',
      '',
      'those heard the longest ago are forgotten',
    ),
    limit(
      'share of all readings that goes in one step of pruning',
      'server/src/gate/recording/retention.ts#shareMax',
      '',
      'waits for `gate accept-prune`',
    ),
  ],
  MQTT: mqttLimits,
  CoAP: coapLimits,
  Verdicts: verdictLimits,
  'Policy of a gate': [
    limit('a CEL expression', 'server/src/expressions/condition.ts#textLengthMax', 'characters', 'the file is refused'),
    limit(
      'all attribute names together',
      'server/src/gate/policy/policy.ts#namesLengthMax',
      'characters',
      'the file is refused',
    ),
    limit('`fleet.yaml`, `gate.yaml`', 'server/src/config/read-yaml.ts#fileBytesMax', 'bytes', 'the file is refused'),
    limit('a JSON Schema', 'server/src/config/gate-policy-files.ts#schemaBytesMax', 'bytes', 'the file is refused'),
    limit(
      'a file of expected values',
      'server/src/config/expected-values.ts#fileBytesMax',
      'bytes',
      'the file is refused',
    ),
    limit('a line of it', 'server/src/config/expected-values.ts#lineBytesMax', 'bytes', 'the file is refused'),
  ],
  Signals: [
    limit('a delivery', 'server/src/signals/intake/sources.ts#deliveryBytesMax', 'bytes', '413 `request_too_large`'),
    limit(
      'one that is signed: who sent it is known when all of it is there',
      'server/src/signals/intake/sources.ts#signedBytesMax',
      'bytes',
      '413 `request_too_large`',
    ),
    limit('alerts of one delivery', 'server/src/signals/intake/delivery.ts#alertsMax', '', '413 `request_too_large`'),
    limit(
      'labels and data of one alert',
      'server/src/signals/intake/delivery.ts#meantBytesMax',
      'bytes',
      'it is refused, and those beside it are taken',
    ),
    limit('the key of an alert', 'server/src/signals/intake/delivery.ts#keyLengthMax', 'characters', 'the same'),
    limit(
      'an annotation',
      'server/src/signals/intake/delivery.ts#annotationLengthMax',
      'characters',
      'it is shortened',
    ),
    limit(
      'annotations of one alert',
      'server/src/signals/intake/delivery.ts#annotationsMax',
      '',
      'the rest is left out',
    ),
    limit(
      'seconds by which the time of a signed message may be off, either way',
      'server/src/signals/intake/webhook-signature.ts#webhookSkewSecondsMax',
      '',
      '403 `signal_unproven`',
    ),
    limit(
      'what expressions see of one alert',
      'server/src/signals/judge.ts#alertBytesMax',
      'bytes',
      'the alert is `refused`, the others are taken',
    ),
    limit('deliveries that wait to be judged', 'server/src/signals/judging.ts#deliveriesMax', '', '503 `signals_busy`'),
    limit(
      'holds of one source, in force or waiting',
      'server/src/signals/plan.ts#holdsPerSourceMax',
      '',
      'the alert is `refused`, and rings',
    ),
    limit(
      'holds of one reaction that hold the same of one subject',
      'server/src/signals/plan.ts#holdsAlikeMax',
      '',
      'one of them stands for the alert too, until a person ends it, or for its time anew',
    ),
    limit(
      'refusals of one source that ring within an hour, each by itself',
      'server/src/signals/tally.ts#rungMax',
      '',
      'the rest rings as one',
    ),
    limit('holds that an answer names', 'contract/src/holds.ts#heldByMax', '', 'the rest is in `GET /v1/holds`'),
  ],
  'Rules on readings': ruleLimits,
  'Fleet and API': [
    limit('a subject id', 'contract/src/identity.ts#subjectIdLengthMax', 'characters', '`request_malformed`'),
    limit(
      'an attribute that is text',
      'contract/src/attributes.ts#attributeTextLengthMax',
      'characters',
      '`request_malformed`',
    ),
    limit('a `--reason`', 'contract/src/changes.ts#reasonTextLengthMax', 'characters', '`request_malformed`'),
    limit(
      'subjects of one change',
      'contract/src/operations.ts#subjectsPerChangeMax',
      '',
      '`request_malformed`; the commands say so first',
    ),
    limit(
      'subjects of one change of standings',
      'contract/src/operations.ts#standingsPerChangeMax',
      '',
      'the commands make several changes',
    ),
    limit(
      'how long a selection may take',
      'server/src/attributes/selection.ts#selectionMsMax',
      'seconds',
      '`request_too_large`; nothing was changed',
    ),
    limit(
      'selections that are evaluated at once',
      'server/src/attributes/selection.ts#selectionsMax',
      '',
      '429 `rate_limited`',
    ),
    limit(
      'values of a change that is one transaction',
      'server/src/attributes/bulk-change.ts#valuesAtOnceMax',
      '',
      'it is prepared in parts',
    ),
    limit('a part of a bulk change', 'server/src/attributes/bulk-change.ts#partBytesMax', 'bytes', 'there is one more'),
    limit(
      'bulk changes that wait for the one before them',
      'server/src/attributes/bulk-change.ts#waitingMax',
      '',
      '429 `rate_limited`; nothing was changed',
    ),
    limit(
      'how long a bulk change waits until gates hold its parts',
      'server/src/feed/holds.ts#heldMsMax',
      'seconds',
      'it is committed; a slow gate is sent the rest',
    ),
    limit(
      'changes of one operator that are known by the id of their request',
      'server/src/journal/requests.ts#requestsKeptMax',
      '',
      'the oldest are forgotten',
    ),
    limit('for how long', 'server/src/journal/requests.ts#requestMsMax', 'seconds', 'the same id is a new one'),
    limit('tokens of one request', 'contract/src/tokens.ts#tokensPerRequestMax', '', 'the command sends several'),
    limit('items of a page', 'contract/src/pages.ts#pageItemsMax', '', '`next` has the place where the next begins'),
    limit(
      'subjects that are looked at for a page',
      'server/src/attributes/list.ts#subjectsPerPageMax',
      '',
      'the page is shorter, and not the last',
    ),
    limit(
      'how long a key credential is valid',
      'server/src/key-credentials/create.ts#lifetimeMs',
      'days',
      'another one is made',
    ),
    limit(
      'contexts of key credentials that a gate asks for at once; then 200 a second',
      'server/src/api/open.ts#contextsAtOnce',
      '',
      '429 `rate_limited`',
    ),
    limit(
      'certificates that are looked at for a page',
      'server/src/revocation/list.ts#certificatesPerPageMax',
      '',
      'the page is shorter, and not the last',
    ),
    limit('arrivals of a shipment that wait', 'server/src/journeys/judge.ts#pendingMax', '', '409 `arrivals_pending`'),
    limit(
      'how far a checkpoint’s clock may be off',
      'server/src/journeys/judge.ts#clockAllowanceMs',
      'seconds',
      '409 `too_early`, `too_late` or `time_contradicts`',
    ),
    limit(
      'ids of readings with an arrival',
      'contract/src/journeys.ts#arrivalReadingsMax',
      '',
      '400 `request_malformed`',
    ),
    limit('steps of a journey', 'contract/src/journeys.ts#journeyStepsMax', '', 'the file is refused'),
    limit('a request to most routes', 'server/src/api/server.ts#bodyBytesMax', 'bytes', '413 `request_too_large`'),
    limit(
      'a change of attributes or standings',
      'server/src/api/changes.ts#changeBytesMax',
      'bytes',
      '413 `request_too_large`',
    ),
    limit(
      'a request for a certificate',
      'server/src/api/enrolments.ts#bodyBytesMax',
      'bytes',
      '413 `request_too_large`',
    ),
    limit(
      'instances of one gate that the authority knows',
      'server/src/feed/lease-book.ts#instancesOfGateMax',
      '',
      'no lease for a further one: `instances_too_many`',
    ),
    limit('connections to each listener of the authority', 'server/src/api/door.ts#connectionsMax', '', roomMade),
    limit('of them, with a handshake under way', 'server/src/api/door.ts#pendingHandshakesMax', '', roomMade),
    limit(
      'bytes a minute to one address in handshakes there that it does not finish; one that it finishes gives back as much',
      'server/src/api/door.ts#unfinishedBytesPerAddressMax',
      'bytes',
      'its connections are closed before anything is said',
    ),
    limit(
      'bytes a minute to all addresses in such handshakes',
      'server/src/api/door.ts#unfinishedBytesMax',
      'bytes',
      'only addresses come in of which somebody has finished one',
    ),
    limit(
      'how long an answer may wait for its client, and a second more for each KiB of it',
      'server/src/bounds/unread-answer.ts#answerMs',
      'seconds',
      'its connection ends; at a gate too',
    ),
    limit(
      'look-ups of an address that find nothing, at once',
      'server/src/desk/look-ups.ts#missesMax',
      '',
      'one a second: 429 `rate_limited`',
    ),
    limit(
      'wrong codes of an address at a desk, at once',
      'server/src/publication/serve.ts#missesMax',
      '',
      'one a second: 429 `rate_limited`',
    ),
    limit(
      'public answers that a desk keeps for a minute',
      'server/src/publication/answers.ts#bytesMax',
      'bytes',
      'those that were made first are made again',
    ),
    limit('an enrolment token', 'contract/src/enrolment.ts#tokenLengthMax', 'characters', 'it is none'),
    limit(
      'receipts that a run of the authority remembers',
      'server/src/feed/receipts.ts#keptMax',
      '',
      'older ones are told without times',
    ),
    limit(
      'how far a gate’s clock may be off',
      'server/src/feed/open.ts#clockDifferenceMsMax',
      'seconds',
      'no lease: `clock_too_far_off`',
    ),
    limit(
      'entries of the journal that `status` looks at',
      'server/src/journal/verify-end.ts#entriesMax',
      '',
      '`journal verify` looks at all',
    ),
    limit('how much of them', 'server/src/journal/verify-end.ts#bytesMax', 'bytes', '`journal verify` looks at all'),
    limit(
      'a change that gates are told as a line',
      'server/src/feed/follow.ts#changeBytesMax',
      'bytes',
      'they take a snapshot in its place',
    ),
    limit(
      'heads of the history that a gate keeps, one an hour, twice',
      'server/src/gate/following/heads.ts#linesMax',
      '',
      'the oldest go',
    ),
    limit(
      'the last of an issuer, in which it signs nothing',
      'server/src/issuance/profiles.ts#remainingMsMin',
      'seconds',
      '`issuer_ended`',
    ),
    limit(
      'how late a certificate that has ended may be renewed',
      'server/src/issuance/profiles.ts#renewalWindowMs',
      'days',
      '`renewal_refused`: a token is needed',
    ),
  ],
  Device: [
    limit('the outbox', 'device/src/outbox/outbox.ts#bytesMax', 'bytes', '`outbox_full`; nothing that is kept is lost'),
    limit('readings in it', 'device/src/outbox/outbox.ts#readingsMax', '', '`outbox_full`'),
    limit('a line of `send`', 'device/src/outbox/lines.ts#lineBytesMax', 'bytes', 'it is a bad line'),
    limit(
      'damaged bytes that are kept',
      'device/src/outbox/damage.ts#keptBytesMax',
      'bytes',
      'further ones are counted alone',
    ),
  ],
};

export function limitSections(): { title: string; rows: string[][] }[] {
  return Object.entries(limits).map(([title, rows]) => ({
    title,
    rows: rows.map((one) => [one.what, amountOf(one), one.beyond]),
  }));
}

/** `const NAME = 4 * 1024 * 1024`, or a member `NAME: 65_536`. @throws when there is none any more, or more than one */
function amountOf({ file, name, unit }: Limit): string {
  const text = readFileSync(join(root, file), 'utf8');
  const found = [...text.matchAll(new RegExp(`\\b${name}(?: =|:) ([\\d_.* a-z]+)[;,\\s}]`, 'g'))];
  const [amount] = found.map(([, expression = '']) => numberOf(expression)).filter((number) => !Number.isNaN(number));
  if (amount === undefined) throw new Error(`${file} has no number called ${name}`);
  return inUnit(amount, unit);
}

const dayMs = 86_400_000;

/** A product of numbers; `day` is one in milliseconds. */
function numberOf(expression: string): number {
  const factors = expression
    .split('*')
    .map((factor) => (factor.trim() === 'day' ? dayMs : Number(factor.trim().replaceAll('_', '') || Number.NaN)));
  return factors.reduce((product, factor) => product * factor, 1);
}

const grouped = (amount: number) => amount.toLocaleString('en-US').replaceAll(',', ' ');

function inUnit(amount: number, unit: Limit['unit']): string {
  if (unit === 'seconds') return `${amount / 1_000} s`;
  if (unit === 'days') return `${amount / dayMs} days`;
  if (unit === '' || unit === 'characters') return `${grouped(amount)}${unit === '' ? '' : ' characters'}`;
  const [size, name] =
    amount % 1_048_576 === 0 ? [1_048_576, 'MiB'] : amount % 1_024 === 0 ? [1_024, 'KiB'] : [1, 'bytes'];
  return `${amount / size} ${name}`;
}
