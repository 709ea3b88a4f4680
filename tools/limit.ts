/** One bound that a user can meet. */
export interface Limit {
  what: string;
  /** The file and the constant, or the member of one, that says how much. */
  file: string;
  name: string;
  unit: 'bytes' | 'characters' | 'seconds' | 'days' | '';
  beyond: string;
}

/** `where`: the file below `packages`, and the constant. */
export const limit = (what: string, where: string, unit: Limit['unit'], beyond: string): Limit => {
  const [file = '', name = ''] = where.split('#');
  return { what, file: `packages/${file}`, name, unit, beyond };
};
