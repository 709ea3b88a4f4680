import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { digestOf, PortcullisError } from '@portcullis/contract';

/** What `openssl genpkey -provider tpm2` writes: of use to that very TPM alone (draft-bottomley-tpm2-keys). */
const inTpm = '-----BEGIN TSS2 PRIVATE KEY-----';

/** Whether a PEM is no key by itself: a provider of OpenSSL has the TPM that it names use it. */
export const isInTpm = (pem: string) => pem.startsWith(inTpm);

/** DER for ECDSA, by the digest that goes with the key. @throws {PortcullisError} `key_unusable` */
export function signatureWith(pem: string, bytes: Uint8Array): Buffer {
  return withKey(pem, (key) => sign(digestOf(key), bytes, key));
}

/**
 * A key in a TPM is loaded for each use and let go of: what a TPM lost, when it was started again, is not missed. Signatures are made on
 * this thread, one after another: of several at once a TPM makes one or two.
 * @throws {PortcullisError} `key_unusable`, of a key in a TPM
 */
export function withKey<Value>(pem: string, work: (key: KeyObject) => Value): Value {
  return inRoom(isInTpm(pem), () => work(createPrivateKey(pem)));
}

/** The same for what loads the key by itself. `isHere`: the key is in a TPM. */
export function inRoom<Value>(isHere: boolean, work: () => Value): Value {
  try {
    if (isHere) letGo();
    return work();
  } catch (cause) {
    if (!isHere && !isByTpm(cause)) throw cause;
    throw keyFailure(cause, isHere);
  }
}

let collect: (() => void) | undefined;

/**
 * What is loaded in a TPM ends when Node collects the object that stands for it. A TPM has room for three such, its resource manager for
 * some dozens, and nothing else tells Node's collector that there is a want (Node 24.21: 15 ms).
 */
function letGo(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}

/** By tpm2-openssl, which names itself in what it says. */
const byProvider = /\btpm2::/;
/** OpenSSL found nobody who reads this PEM. */
const noProvider = 'ERR_OSSL_UNSUPPORTED';

/** Whether a TPM, or what stands between, failed at what OpenSSL had it do: verifying too is done there. */
export const isByTpm = (error: unknown) => error instanceof Error && byProvider.test(error.message);

/** `isHere`: the key is in a TPM. With its provider a process has the TPM do what is done with keys in files too. */
export function keyFailure(cause: unknown, isHere: boolean): PortcullisError {
  if (cause instanceof PortcullisError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (isHere && (code === noProvider || message.includes('DECODER routines::unsupported'))) {
    const why =
      'no provider of OpenSSL reads a key in a TPM: OPENSSL_CONF must name a file that activates "tpm2", and the TPM, or its resource manager (tpm2-abrmd), must answer; or the file of the key is damaged';
    return new PortcullisError('key_unusable', why, { cause });
  }
  const said = (message.replace(/^.*?\b(tpm2::)/s, '$1').split('\n', 1)[0] ?? '').trim();
  const why = isHere
    ? `the TPM did not do what the key is for (${said}); is its resource manager running? a process that lost it has to be started again. A TPM that was cleared, or another one, has no use for this key`
    : `OPENSSL_CONF has a TPM sign (${said}), and the key of this device is in a file: enrol with a key in the TPM (--key-file), or leave OPENSSL_CONF out`;
  return new PortcullisError('key_unusable', why, { cause });
}
