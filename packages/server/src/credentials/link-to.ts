import { type Credential, Link } from '@portcullis/device';

/** To the authority and nobody else, as whom the credential says. */
export function linkTo(credential: Credential): Link {
  return new Link({ roots: credential.roots, fleet: credential.fleet, role: 'authority', credential });
}
