/**
 * `npm run fuzz -- NAME [--minutes N] [--seed N]`: the properties of a decoder with other bytes than those of CI, until the time is over. What fails
 * is printed with its seed and its path, which show it again.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { tokenProperties } from '../packages/contract/src/enrolment-token.fuzz.ts';
import { sealProperties } from '../packages/device/src/seal/seal.fuzz.ts';
import { importProperties } from '../packages/server/src/cli/import-rows.fuzz.ts';
import { estProperties } from '../packages/server/src/enrolment/est/est.fuzz.ts';
import { coapProperties } from '../packages/server/src/gate/listeners/coap/coap.fuzz.ts';
import { wireProperties } from '../packages/server/src/gate/listeners/http/wire/wire.fuzz.ts';
import { mqttProperties } from '../packages/server/src/gate/listeners/mqtt/mqtt.fuzz.ts';
import { ocspProperties } from '../packages/server/src/ocsp/ocsp.fuzz.ts';
import { payloadProperties } from '../packages/server/src/payloads/payloads.fuzz.ts';
import { pkcs10Properties } from '../packages/server/src/pki/pkcs10.fuzz.ts';

const known: Record<string, Record<string, unknown>> = {
  coap: coapProperties,
  est: estProperties,
  http: wireProperties,
  imports: importProperties,
  mqtt: mqttProperties,
  ocsp: ocspProperties,
  payloads: payloadProperties,
  pkcs10: pkcs10Properties,
  seal: sealProperties,
  tokens: tokenProperties,
};
const runsAtOnce = 2_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } },
});
const [name = ''] = positionals;
const properties = known[name];
if (!properties) {
  console.error(`"${name}" is not known; it must be one of [${Object.keys(known).join(', ')}]`);
  process.exit(2);
}

const end = performance.now() + Number(values.minutes) * 60_000;
let seed = Number(values.seed ?? Date.now() % 2 ** 31);
let runs = 0;
do {
  for (const [sentence, property] of Object.entries(properties)) {
    const found = await fc.check(property as fc.IProperty<unknown>, { seed, numRuns: runsAtOnce });
    runs += found.numRuns;
    if (!found.failed) continue;
    console.error(sentence, found.errorInstance);
    console.error(fc.defaultReportMessage(found));
    process.exit(1);
  }
  seed++;
} while (performance.now() < end);
console.log(`${runs} runs, none failed; the last seed was ${seed - 1}`);
