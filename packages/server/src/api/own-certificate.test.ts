import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { openIssuing } from '../../test/issuing-records.ts';
import { putSubject } from '../../test/records.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { OwnCertificate } from './own-certificate.ts';

const day = 86_400_000;

test("the authority's certificate that was made while its clock was ahead is made anew once that is put back", async (context) => {
  const house = await openIssuing(context);
  await putSubject(house, 'authority', 'authority');
  const log = createLog({ role: 'authority', level: 'silent' });
  const own = new OwnCertificate({ ...house, hosts: ['localhost'], log } as never);
  context.after(() => own.stop());
  house.clock.now += 3 * day;
  await own.obtain();
  house.clock.now -= 3 * day;
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const swapped: string[] = [];
  own.keep(({ certificate }) => swapped.push(certificate));
  const until = performance.now() + patienceMs;
  while (swapped.length === 0 && performance.now() < until) {
    context.mock.timers.tick(60_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(new X509Certificate(swapped[0] as string).validFromDate.getTime() <= house.clock.now);
});
