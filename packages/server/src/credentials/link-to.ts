import { type Credential, Link } from '@portcullis/device';

/** To the authority, whichever of these leads, and nobody else, as whom the credential says. */
export function linkTo(credential: Credential, addresses: readonly string[]): Link {
  const { roots, fleet } = credential;
  return new Link({ roots, fleet, role: 'authority', addresses, credential });
}
