import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { PortcullisError } from '@portcullis/contract';

/** JetStream's codes: https://github.com/nats-io/nats-server/blob/v2.10.27/server/errors.json */
const codes = {
  full: [10_023, 10_028, 10_047, 10_077, 10_122],
  wrongLast: [10_071, 10_164],
  tooLarge: 10_054,
  streamMissing: 10_059,
  otherStream: 10_060,
} as const;

/** Somebody else has written under the gate's name since this process did. */
export const isOvertaken = (error: unknown) =>
  error instanceof JetStreamApiError && codes.wrongLast.some((code) => code === error.code);

const unavailable = (message: string, cause: unknown) => new PortcullisError('store_unavailable', message, { cause });

/** Throws what the server or its client said in our words; a bug passes unchanged. `of`: the stream, for people. */
export function asFailure(error: unknown, of: string): never {
  if (error instanceof JetStreamApiError) throw apiFailure(error, of);
  if (isNotEnabled(error) || error instanceof errors.NoRespondersError)
    throw unavailable(`${of}: no stream takes its subjects, or JetStream is not enabled`, error);
  if (error instanceof errors.TimeoutError)
    throw unavailable(`${of}: the server did not say in time that it has the message`, error);
  if (error instanceof errors.AuthorizationError || error instanceof errors.PermissionViolationError)
    throw unavailable(`${of}: the server does not permit it: ${error.message}`, error);
  if (error instanceof errors.RequestError && error.cause !== undefined) return asFailure(error.cause, of);
  if (error instanceof errors.InvalidArgumentError)
    throw unavailable(`${of}: the server takes no message of that size: ${error.message}`, error);
  if (isOfConnection(error))
    throw unavailable(`${of}: the server can not be reached: ${(error as Error).message}`, error);
  throw error;
}

/** Its class is not among those that the package gives out. */
const isNotEnabled = (error: unknown) => error instanceof Error && error.name === 'JetStreamNotEnabled';

function isOfConnection(error: unknown): boolean {
  const kinds = [
    errors.ConnectionError,
    errors.ClosedConnectionError,
    errors.DrainingConnectionError,
    errors.ProtocolError,
  ];
  return (
    kinds.some((kind) => error instanceof kind) ||
    (error instanceof Error &&
      ('errno' in error || 'syscall' in error || 'code' in error) &&
      !(error instanceof PortcullisError))
  );
}

function apiFailure(error: JetStreamApiError, of: string): PortcullisError {
  const { code, message } = error;
  if (codes.full.some((one) => one === code))
    return new PortcullisError('disk_full', `${of} is full (${code}: ${message}); nothing was stored`, {
      cause: error,
    });
  if (code === codes.tooLarge) return unavailable(`${of}: its max_msg_size is smaller than a reading (${code})`, error);
  if (code === codes.streamMissing) return unavailable(`${of}: there is no such stream`, error);
  if (code === codes.otherStream) return unavailable(`${of}: another stream takes its subjects (${code})`, error);
  return unavailable(`${of}: ${message} (${code})`, error);
}
