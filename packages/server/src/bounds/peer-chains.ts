import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { sessionField } from './tls-session.ts';

/** The part below a TLS socket that Node asks itself. */
interface Handle {
  getPeerX509Certificate?(): unknown;
  getPeerCertificate?(): unknown;
  getSession?(): Buffer | undefined;
}

let isDone = false;
/** Somebody asks for the certificate itself, and not Node whether there is one. */
let isAsked = false;

/**
 * At the end of each handshake in which it asked for a certificate, Node looks whether one came, by a call that takes what the other side sent beside its
 * own certificate out of the session and frees it never: some 5 KB a handshake (Node 24.21.0). Here it
 * looks into the session, where a certificate is under the same condition. For the process; who asks for it by the public method gets the same as ever.
 */
export function freePeerChains(): void {
  if (isDone) return;
  isDone = true;
  const own = TLSSocket.prototype.getPeerX509Certificate;
  const socket = new TLSSocket(new Socket()) as TLSSocket & { _handle?: Handle };
  const handle = socket._handle && (Object.getPrototypeOf(socket._handle) as Handle);
  socket.destroy();
  const { getPeerX509Certificate: ofHandle, getPeerCertificate } = handle ?? {};
  if (!handle || !ofHandle || !getPeerCertificate) return;
  TLSSocket.prototype.getPeerX509Certificate = function asked(this: TLSSocket) {
    isAsked = true;
    try {
      return own.call(this);
    } finally {
      isAsked = false;
    }
  };
  handle.getPeerX509Certificate = function looked(this: Handle) {
    return isAsked ? ofHandle.call(this) : (sessionField(this.getSession?.(), 'peer') ?? getPeerCertificate.call(this));
  };
}
