import { failures, PortcullisError } from '@portcullis/contract';

/** What the system says of a path: https://man7.org/linux/man-pages/man3/errno.3.html */
const pathWords: Record<string, string> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'this account has no right to it',
  EPERM: 'this account has no right to it',
  EISDIR: 'it is a directory, and must be a file',
  ENOTDIR: 'a part of it is a file, and must be a directory',
  EEXIST: 'it is there already; name another one',
  ENOTEMPTY: 'it is not empty; name another one',
  EROFS: 'its file system can only be read; name another place',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
  EMFILE: 'this process has too many files open; raise the limit (ulimit -n)',
  ENFILE: 'this machine has too many files open',
  EIO: 'the disk could not read or write it',
  EBUSY: 'something else uses it',
  EXDEV: 'it lies on another file system',
};

/** Whatever was thrown, as a failure that names what it is about: only what nobody foresaw is left `internal`. */
export function failureOf(error: unknown): PortcullisError {
  if (error instanceof PortcullisError) return error;
  // What went wrong first; closing what was open by then went wrong too.
  if (error instanceof SuppressedError) return failureOf(error.suppressed);
  const cause = error instanceof Error ? error : new Error(String(error));
  return fromSystem(cause) ?? fromSchema(cause) ?? new PortcullisError('internal', cause.message, { cause });
}

/** Errors of the operating system have the call that failed: https://nodejs.org/api/errors.html#class-systemerror */
function fromSystem(cause: NodeJS.ErrnoException & { address?: string; port?: number; dest?: string }) {
  const { code = '', syscall, path, address, port } = cause;
  if (syscall === undefined) return undefined;
  const what = path === undefined ? 'a file' : `"${path}"`;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new PortcullisError('disk_full', `there is no space for ${what} (${code}); make space`, { cause });
  if (syscall === 'listen' || syscall === 'bind') return notListening(code, `${address}:${port}`, cause);
  const words = pathWords[code];
  if (words === undefined) return undefined;
  return new PortcullisError('file_unusable', `${what} can not be used: ${words} (${code})`, { cause });
}

function notListening(code: string, where: string, cause: Error): PortcullisError | undefined {
  const why: Record<string, string> = {
    EADDRINUSE: 'another process has it; end that, or choose another port',
    EACCES: 'this account may not have it; ports below 1024 are for the superuser',
    EADDRNOTAVAIL: 'this machine has no such address',
  };
  const words = why[code];
  return words === undefined ? undefined : new PortcullisError('port_taken', `${where}: ${words} (${code})`, { cause });
}

/** The first complaint of a schema, without the rest of its table. */
function fromSchema(cause: Error & { issues?: unknown }): PortcullisError | undefined {
  if (!Array.isArray(cause.issues)) return undefined;
  const [first] = cause.issues as { path?: unknown[]; message?: string }[];
  const where = first?.path?.length ? `"${first.path.join('.')}": ` : '';
  return new PortcullisError('request_malformed', `${where}${first?.message ?? 'does not fit its schema'}`, { cause });
}

/** A failure as a program gets it. `detail` is what is known beside the words: of a refusal, the problem that was answered. */
export function failureJson({ code, message, detail }: PortcullisError): Record<string, unknown> {
  const title = failures[code]?.title;
  return { error: code, message, ...(title && { title }), ...(Object.keys(detail).length > 0 && { detail }) };
}
