import type { Credential, Link } from '@portcullis/device';
import { linkTo } from '../../credentials/credentials.ts';

/** The gate's connections to the authority. Leases have one of their own: never behind the feed (rule 1). */
export class Links {
  feed: Link;
  leases: Link;
  /** What rules find is told over one of its own too: a long report keeps nobody waiting. */
  edges: Link;
  /** Strangers can make a gate ask for keys: nothing else waits behind that. */
  keys: Link;
  /** Certificates of signers are asked for whenever a seal needs one. */
  leaves: Link;

  constructor(credential: Credential) {
    this.feed = linkTo(credential);
    this.leases = linkTo(credential);
    this.edges = linkTo(credential);
    this.keys = linkTo(credential);
    this.leaves = linkTo(credential);
  }

  /** With a renewed credential; what was made with the old one ends. */
  renew(credential: Credential): void {
    this.close();
    this.feed = linkTo(credential);
    this.leases = linkTo(credential);
    this.edges = linkTo(credential);
    this.keys = linkTo(credential);
    this.leaves = linkTo(credential);
  }

  close(): void {
    this.feed.close();
    this.leases.close();
    this.edges.close();
    this.keys.close();
    this.leaves.close();
  }
}
