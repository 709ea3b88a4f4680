/**
 * What a label, or somebody who types, names: a shipment by its id, or a public code that leads to one. A label's address has the
 * id behind its `#`, so that it is known without a network; a label's statement has it in what was signed.
 */
const id = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const code = /^[0-9A-HJKMNP-TV-Z]{32}$/;

/** `{ shipment }`, `{ code }`, both, or undefined. */
export function named(text) {
  const words = text.trim();
  return inAddress(words) ?? inStatement(words) ?? inWords(words);
}

function inAddress(words) {
  if (!/^https?:/i.test(words) || !URL.canParse(words)) return undefined;
  const { pathname, searchParams, hash } = new URL(words);
  const [, path] = /^\/v\/([^/]+)$/.exec(pathname) ?? [];
  const found = codeIn(path ?? searchParams.get('code') ?? '');
  const shipment = hash.slice(1);
  if (found === undefined) return undefined;
  return { code: found, ...(id.test(shipment) && { shipment }) };
}

function inStatement(words) {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(words) ?? [];
  try {
    const { sub } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    return id.test(sub) ? { shipment: sub } : undefined;
  } catch {
    return undefined;
  }
}

function inWords(words) {
  const found = codeIn(words);
  if (found !== undefined) return { code: found };
  return id.test(words.toLowerCase()) ? { shipment: words.toLowerCase() } : undefined;
}

/** As somebody may type it: in any case, with hyphens and blanks, O for 0, and I or L for 1. */
function codeIn(words) {
  const written = words.toUpperCase().replaceAll(/[-\s]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  return code.test(written) ? written : undefined;
}
