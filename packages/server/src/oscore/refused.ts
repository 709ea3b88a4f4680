/** What RFC 8613 §8.2 and §8.4 tell apart: 4.02, 4.01, 4.01 and 4.00. */
export interface OscoreRefused {
  refused: 'malformed' | 'no_protection' | 'replayed' | 'not_authentic';
  detail: string;
}

export const malformed = (detail: string): OscoreRefused => ({ refused: 'malformed', detail });
