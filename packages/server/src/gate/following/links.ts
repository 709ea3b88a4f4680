import { type Credential, Link } from '@portcullis/device';

/** The gate's connections to the authority. Leases have one of their own: never behind the feed (rule 1). */
export class Links {
  feed: Link;
  leases: Link;

  constructor(credential: Credential) {
    this.feed = linkOf(credential);
    this.leases = linkOf(credential);
  }

  /** With a renewed credential; what was made with the old one ends. */
  renew(credential: Credential): void {
    this.close();
    this.feed = linkOf(credential);
    this.leases = linkOf(credential);
  }

  close(): void {
    this.feed.close();
    this.leases.close();
  }
}

function linkOf(credential: Credential): Link {
  return new Link({ roots: credential.roots, fleet: credential.fleet, role: 'authority', credential });
}
