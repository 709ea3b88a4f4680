/**
 * What anybody may know of a shipment, for whoever holds its code: a page, and the same signed, to be kept and checked without us.
 * - It says public things only, is signed by the desk's own key, and is no older than it says (P15).
 * - A code is found by its hash alone. A right one is never refused for wrong ones; memory and work for each have a bound.
 * - A page runs nothing, fetches nothing, and shows no value as anything but text.
 * Refuses to know: what is public. The authority selects that, and feeds it.
 */
export { issuersIn } from './issuers.ts';
export type { PublicSource, Signing } from './promises.ts';
export { Publication } from './serve.ts';
