/** So much waits for one who watches, gathered here and unread on its way: what the end of a busy second tells at once has room. */
export const unreadBytesMax = 2_097_152;

/**
 * What one watcher is told, gathered. Of what he does not take in time nothing is kept but how much it was; that is told in its place, as
 * soon as half of what waited is read.
 */
export class WatchedLines {
  readonly #droppedLine: (dropped: number) => string;
  #text = '';
  #dropped = 0;

  constructor(droppedLine: (dropped: number) => string) {
    this.#droppedLine = droppedLine;
  }

  /** Something of it was dropped that he does not know of. */
  get isBehind(): boolean {
    return this.#dropped > 0;
  }

  /** A line for so many verdicts. `unread`: bytes that went out before and were not read. False: there is no room for it. */
  add(line: string, verdicts: number, unread: number): boolean {
    const hasRoom = !this.isBehind && this.#text.length + line.length + unread <= unreadBytesMax;
    if (hasRoom) this.#text += line;
    else this.#dropped += verdicts;
    return hasRoom;
  }

  /** What goes out now. */
  take(unread: number): string {
    let text = this.#text;
    this.#text = '';
    if (this.isBehind && text.length + unread <= unreadBytesMax / 2) {
      text += this.#droppedLine(this.#dropped);
      this.#dropped = 0;
    }
    return text;
  }
}
