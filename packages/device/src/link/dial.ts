import { type LookupAddress, lookup } from 'node:dns';
import { connect, isIP, type Socket } from 'node:net';

/** How a name becomes addresses and an address a connection: arguments, so that tests own the network. */
export interface Network {
  /** All addresses of a name, in the order in which the system would try them. */
  lookup(host: string): Promise<readonly LookupAddress[]>;
  connect(address: string, port: number): Socket;
}

export const realNetwork: Network = {
  lookup: (host) =>
    new Promise((resolve, reject) => {
      lookup(host, { all: true }, (error, found) => (error ? reject(error) : resolve(found)));
    }),
  connect: (host, port) => connect({ host, port }),
};

/** RFC 8305 §5. Node gives an address this long and then gives it up, which no round trip of 400 ms survives: here it goes on. */
const attemptDelayMs = 250;
const addressesMax = 8;

/**
 * A connection to the first of a host's addresses that takes one: each address gets its turn a moment after the one before it, or as
 * soon as that has failed, and none is given up before another is connected.
 */
export async function dial(host: string, port: number, network: Network, signal: AbortSignal): Promise<Socket> {
  const found = isIP(host) ? [{ address: host, family: isIP(host) }] : await bounded(network.lookup(host), signal);
  const addresses = interleaved(found).slice(0, addressesMax);
  return race(addresses, (address) => network.connect(address, port), signal);
}

/** The system's own lookup has no bound that a caller could set. */
function bounded<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** RFC 8305 §4: families in turn, beginning with that of the first address. */
function interleaved(found: readonly LookupAddress[]): string[] {
  const first = found.filter(({ family }) => family === found[0]?.family);
  const others = found.filter(({ family }) => family !== found[0]?.family);
  return first
    .flatMap((address, index) => [address, others[index]])
    .concat(others.slice(first.length))
    .flatMap((address) => address?.address ?? []);
}

function race(addresses: string[], open: (address: string) => Socket, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const attempts = new Set<Socket>();
    const left = [...addresses];
    let turn: NodeJS.Timeout | undefined;
    let failure: Error | undefined;
    const end = () => {
      clearTimeout(turn);
      signal.removeEventListener('abort', abort);
      for (const attempt of attempts) attempt.destroy();
    };
    const abort = () => {
      end();
      reject(signal.reason as Error);
    };
    const next = () => {
      clearTimeout(turn);
      const address = left.shift();
      if (address !== undefined) attempt(address);
      else if (attempts.size === 0) {
        end();
        reject(failure ?? new Error('the name has no address'));
      }
    };
    const attempt = (address: string) => {
      const socket = open(address);
      attempts.add(socket);
      turn = setTimeout(next, attemptDelayMs);
      // Stays: what is destroyed here may still fail, and nobody else listens yet.
      socket.on('error', (error) => {
        failure ??= error;
        if (attempts.delete(socket)) next();
      });
      socket.once('connect', () => {
        if (!attempts.delete(socket)) return;
        end();
        resolve(socket);
      });
    };
    signal.addEventListener('abort', abort);
    next();
  });
}
