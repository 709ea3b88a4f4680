/** A device behind a link of 2 KB/s that stands still and breaks: each of its readings reaches the gate, once. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Credential, credentialFileIn, Device, writeCredential } from '@portcullis/device';
import { OpenFront } from '../../packages/server/test/open-front.ts';
import { SlowLink } from '../../packages/server/test/slow-link.ts';

/** Several times what it takes on a machine that is four times slower: the link, not the machine, sets the pace. */
const withinMs = 400_000;

async function deviceBehind(context: TestContext, gate: OpenFront, port: number) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-slow-'));
  const leaf = await gate.device('truck-17');
  const end = leaf.cert.indexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----\n'.length;
  const credential: Credential = {
    ...{ fleet: gate.certificates.fleet, subject: 'truck-17' as never, kind: 'device', key: leaf.key },
    ...{ certificate: leaf.cert.slice(0, end), issuer: leaf.cert.slice(end), roots: gate.certificates.rootPem },
    ...{ bundleVersion: 1, gates: [`https://localhost:${port}`] },
    ...{ authority: 'https://localhost:1', enrolment: 'https://localhost:1' },
    renewAfter: new Date(leaf.notAfter).toISOString(),
    notAfter: new Date(leaf.notAfter).toISOString(),
  };
  writeCredential(credentialFileIn(directory), credential);
  const failures: string[] = [];
  const device = await Device.open({
    directory,
    onFailure: ({ message }) => failures.push(message),
    onRefusal: ({ reason }) => failures.push(reason),
  });
  context.after(async () => {
    await device.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { device, failures };
}

test('P8: 200 readings over 2 KB/s with stalls and breaks all arrive, each once', {
  timeout: withinMs,
}, async (context) => {
  const gate = await OpenFront.open(context);
  gate.grant(2 * withinMs);
  const link = await SlowLink.open(gate.port, {
    ...{ bytesPerSecond: 2_048, breakEveryBytes: 14 * 1024, stallEveryBytes: 6 * 1024, stallMs: 1_500 },
  });
  context.after(() => link.close());
  const { device, failures } = await deviceBehind(context, gate, link.port);
  const values = Array.from({ length: 200 }, (_, value) => value);
  await Promise.all(values.map((value) => device.send('telemetry', { value })));
  await device.drained(AbortSignal.timeout(withinMs));
  assert.equal(device.kept, 0, `${device.kept} are kept: ${failures.join('; ')}`);
  assert.deepEqual(
    (await gate.stored()).map(({ value }) => value),
    values,
  );
  assert.ok(link.broken > 1, 'the link did break');
});
