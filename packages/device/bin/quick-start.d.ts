/** Compiled code of earlier runs is used again, where there is a directory for it. */
export function useCompileCache(): void;
/** How modules are found, with less asking than Node does. `source`: the packages' TypeScript, in a clone. */
export function findModules(how: { source: boolean }): void;
