/** Route × who asks: each kind of subject, and the operator that is read-only. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Kind } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject } from '../../test/records.ts';
import { byPeer, requireAdmitted } from './peer.ts';
import { apiRoutes } from './routes.ts';

const kinds = Kind.options.filter((kind) => kind !== 'authority');
const viewer = 'read-only operator';

async function open(context: TestContext) {
  const records = await openRecords(context);
  const fingerprints = new Map<string, string>();
  for (const kind of kinds) {
    await putSubject(records, `a-${kind}`, kind, {});
    fingerprints.set(kind, await putCertificate(records, `a-${kind}`, kind));
  }
  await putSubject(records, 'viewer', 'operator', {}, true);
  fingerprints.set(viewer, await putCertificate(records, 'viewer', 'viewer'));
  return { records, fingerprints };
}

test('each route admits the kinds that it names, and an operator that is read-only where it changes nothing', async (context) => {
  const { records, fingerprints } = await open(context);
  for (const { method, path, kinds: named } of apiRoutes) {
    const admitted: string[] = [];
    for (const [who, fingerprint] of fingerprints) {
      const changes = method !== 'GET';
      const asked = await requireAdmitted(records, fingerprint, named, { changes }).catch((error: unknown) => error);
      if (asked instanceof Error) assert.equal((asked as Error & { code: string }).code, 'kind_not_allowed');
      else admitted.push(who);
    }
    const looks = method === 'GET' && named.includes('operator');
    assert.deepEqual(admitted.toSorted(), [...named, ...(looks ? [viewer] : [])].toSorted(), `${method} ${path}`);
  }
});

test('every route that only looks is a GET: a read-only operator is refused all the others', () => {
  const forOperators = apiRoutes.filter((row) => row.kinds.includes('operator'));
  const refused = forOperators.filter(({ method }) => method !== 'GET').map(({ path }) => path);
  assert.deepEqual(refused.toSorted(), [
    ...[
      '/v1/alerts/retry',
      '/v1/alerts/test',
      '/v1/approvals',
      '/v1/attribute-types/:name',
      '/v1/attributes',
      '/v1/authorities',
      '/v1/authorities/:name/revocation',
      '/v1/breaches/acknowledge',
      '/v1/changes/:revision/undo',
      '/v1/factories',
      '/v1/factories/:name/removal',
      '/v1/gates/:id/reads',
      '/v1/holds/apply',
      '/v1/holds/release',
      '/v1/imports',
      '/v1/key-credentials',
      '/v1/revocation-lists',
      '/v1/rollovers',
      '/v1/rollovers/abandonment',
      '/v1/rollovers/advance',
      '/v1/rollovers/answer',
      '/v1/rollovers/retirement',
      '/v1/shipments',
      '/v1/shipments/:id/code',
      '/v1/shipments/:id/course',
      '/v1/shipments/:id/declarations',
      '/v1/shipments/:id/voidings',
      '/v1/signals/:source/trial',
      '/v1/standings',
      '/v1/subjects/:id/retire',
      '/v1/tokens',
      '/v1/tokens/:id/revocation',
    ],
  ]);
});

test('P9: where it is not said whether a request changes something, it counts as one that does', async (context) => {
  const { records, fingerprints } = await open(context);
  const fingerprint = fingerprints.get(viewer);
  await assert.rejects(requireAdmitted(records, fingerprint, ['operator']), { code: 'kind_not_allowed' });
  const peer = await requireAdmitted(records, fingerprint, ['operator'], { changes: false });
  const change = { subjects: ['a-device'], set: { status: 'x' } } as never;
  await assert.rejects(records.attributes.change(byPeer(records, peer), change), { code: 'kind_not_allowed' });
});

test('P9: what an operator is, it stays for life; a read-only one does not count as the last that can take a cut back', async (context) => {
  const { records } = await open(context);
  await assert.rejects(putSubject(records, 'viewer', 'operator', {}), { code: 'kind_conflict' });
  await assert.rejects(putSubject(records, 'a-operator', 'operator', {}, true), { code: 'kind_conflict' });
  assert.equal(await putSubject(records, 'viewer', 'operator', {}, true), 'existing');
  await assert.rejects(putSubject(records, 'thing', 'device', {}, true), { code: 'request_malformed' });
  const cut = (subject: string) => records.revocation.change({ actor: 'x' }, { action: 'revoke', subject } as never);
  await assert.rejects(cut('a-operator'), { code: 'last_operator' });
  await cut('viewer');
});
