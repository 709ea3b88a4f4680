/**
 * How long a test waits for an event before it calls it missing. Only a failure takes so long, so it is long enough for a machine that is
 * four times slower, or busy with other things; the event itself ends each wait.
 */
export const patienceMs = 90_000;
