/**
 * One issuer, or root, follows another while the fleet goes on.
 * - A new key comes under a new name, and is told to everybody before it signs for anybody.
 * - Who holds the bundle from before the rollover alone verifies every server until the old root is retired: what is shown to such is signed below a
 *   root that everybody holds until then. So no cross-certificate is needed, which below a root of path length 1 no reader would take.
 * - No step that would lose somebody is taken unasked.
 * Refuses to know: what a certificate says, and how a bundle travels.
 */
export { openRollovers } from './open.ts';
export type { Rollovers } from './promises.ts';
