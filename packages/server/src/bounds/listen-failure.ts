import { PortcullisError } from '@portcullis/contract';

/** Why a listener does not listen, in words that name the place and the file that says it. */
export function listenFailure(
  cause: unknown,
  { host, port, file }: { host: string; port: number; file: string },
): PortcullisError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const taken = `${host}:${port} is taken by another process; stop that one, or change "listen" in ${file}`;
  if (code === 'EADDRINUSE') return new PortcullisError('port_taken', taken, { cause });
  return new PortcullisError('config_invalid', `couldn't listen on ${host}:${port}: ${code ?? message}`, { cause });
}
